"""Write the text of messages before their slots."""
