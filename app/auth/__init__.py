"""Who calls, and what they may do: tokens, scopes, and the guard in front of every route."""
