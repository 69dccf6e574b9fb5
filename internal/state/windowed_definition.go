package state

import (
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
)

// storedDefinition is the state of the row with the meaning of the others.
type storedDefinition struct{ checked, changed bool }

func (d *storedDefinition) dirtyBytes(definition string) int64 {
	if d.changed {
		return int64(len(definition))
	}
	return 0
}

func (d *storedDefinition) flush(definition string, emit func(key, value []byte) error) error {
	if !d.changed {
		return nil
	}
	d.changed = false
	return emit([]byte{familyDefinition}, []byte(definition))
}

// checkDefinition compares the definition with that in the database, before anything else is read: not when the store is
// opened, because its content is restored after that.
func (s *Windowed[A]) checkDefinition() error {
	if s.definition.checked || s.options.Definition == "" {
		return nil
	}
	s.row = append(append(s.row[:0], s.space.Prefix...), familyDefinition)
	value, err := s.space.Backend.Get(s.value[:0], s.row)
	switch {
	case errors.Is(err, ErrNotFound):
		s.definition.changed = true
	case err != nil:
		return fmt.Errorf("store %q: read the definition: %w", s.name, err)
	case string(value) != s.options.Definition:
		return fmt.Errorf("store %q: %w: %q, and now %q. Give the window another Name, to begin with an empty store, or go back",
			s.name, weir.ErrDefinitionChanged, value, s.options.Definition)
	}
	s.definition.checked = true
	return nil
}
