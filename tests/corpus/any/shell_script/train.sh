set -e
python prepare.py
python train.py
