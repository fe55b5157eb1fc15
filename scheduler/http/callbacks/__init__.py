"""The way in for providers' callbacks: verified, made durable, answered."""
