"""From the outbox to the channels: what is sent, how, when again, and what came of it."""
