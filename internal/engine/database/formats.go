package database

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
)

// Format names the operator, types and codecs by which the rows of a store in a database were written.
type Format struct {
	Operator string `json:"operator"`
	Key      string `json:"key,omitempty"`
	State    string `json:"state,omitempty"`
	Meaning  string `json:"meaning,omitempty"`
}

// FormatOf returns the format of a store as the topology declares it.
func FormatOf(s graph.Store) Format {
	f := s.Node.Formats[s.Name]
	return Format{Operator: string(s.Node.Kind), Key: f.Key, State: f.State, Meaning: f.Meaning}
}

// CheckFormat compares the format of a store with the one that its rows in the database were written in. Another one is
// refused, or accepted by onReformat if that is not nil and returns no error.
func (d *DB) CheckFormat(s graph.Store, onReformat func(s graph.Store, before, now Format) error) error {
	now := FormatOf(s)
	before, known, err := d.Format(s.Name)
	if err != nil {
		return err
	}
	if known && before == now {
		return nil
	}
	if known {
		if onReformat == nil {
			return fmt.Errorf("store %q: %w: its rows on disk were written as %+v, and the topology declares %+v", s.Name, weir.ErrDefinitionChanged, before, now)
		}
		if err := onReformat(s, before, now); err != nil {
			return err
		}
	}
	return d.setFormat(s.Name, now)
}

// Format reads the format of a store. It is not known of one that is new.
func (d *DB) Format(name string) (f Format, known bool, err error) {
	text, err := d.Backend.Get(nil, MetaKey('f', name))
	if errors.Is(err, state.ErrNotFound) {
		return f, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		return f, false, fmt.Errorf("format of store %q: %w", name, err)
	}
	return f, true, nil
}

func (d *DB) setFormat(name string, f Format) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return d.Write(func(b state.Batch) error { return b.Set(MetaKey('f', name), text) })
}
