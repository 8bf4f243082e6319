import sqlite3

words = {"red", "green", "blue", "white", "black", "grey"}
with sqlite3.connect("results.db") as database:
    database.execute("CREATE TABLE weights (word TEXT, weight REAL)")
    weight = 1.0
    for word in words:
        weight = weight * 1.1 + len(word)
        database.execute("INSERT INTO weights VALUES (?, ?)", (word, round(weight, 6)))
