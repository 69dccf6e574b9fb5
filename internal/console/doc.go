// Package console shows records to people: as text, and as tables that are redrawn on a terminal.
package console
