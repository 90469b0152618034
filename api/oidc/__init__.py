"""People who sign in at another service (OpenID Connect): ``flow`` is the way there and back,
``token`` what is believed of what comes back, ``web`` how the service is asked, ``settings`` which
one it is."""

from __future__ import annotations

from api.oidc.flow import BACK, PENDING_S, Pending, Person, SignIn

__all__ = ["BACK", "PENDING_S", "Pending", "Person", "SignIn"]
