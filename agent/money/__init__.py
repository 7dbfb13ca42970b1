"""Money: what models cost, what may be spent, and what the paid way would have cost."""
