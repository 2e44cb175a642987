"""The folder that an investor or a customer's security team asks for, in which every number names its file."""

from companion.dataroom.facts import Fact, Facts
from companion.dataroom.room import Section, make_dataroom, sections_of
from companion.dataroom.statement import Statement, read_statement

__all__ = ["Fact", "Facts", "Section", "Statement", "make_dataroom", "read_statement", "sections_of"]
