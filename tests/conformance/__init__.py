"""What every adapter must show, in the words of shared/providers/base, over real HTTP.

Each provider is a guest: one file in `guests/` that starts its simulator, makes credentials and
texts, and knows which number has which fate. Write the file, and the whole suite runs for it.
"""
