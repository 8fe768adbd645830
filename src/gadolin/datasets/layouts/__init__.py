"""How data sets are laid out on disk: folders by class, tables beside pictures."""
