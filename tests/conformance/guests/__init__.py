"""One file a provider, named as its folder in shared/providers."""
