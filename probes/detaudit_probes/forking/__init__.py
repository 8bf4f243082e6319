"""What a fork server and its children need, in a nest of ours and in a user's own program alike."""
