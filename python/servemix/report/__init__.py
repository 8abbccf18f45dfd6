"""What a plan looks like to a person: as text, as HTML, as tables."""
