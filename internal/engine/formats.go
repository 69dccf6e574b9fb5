package engine

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
)

// StoreFormat names the operator, types and codecs by which the rows of a store in a database were written.
type StoreFormat struct {
	Operator string `json:"operator"`
	Key      string `json:"key,omitempty"`
	State    string `json:"state,omitempty"`
	Meaning  string `json:"meaning,omitempty"`
}

func formatOf(s graph.Store) StoreFormat {
	f := s.Node.Formats[s.Name]
	return StoreFormat{Operator: string(s.Node.Kind), Key: f.Key, State: f.State, Meaning: f.Meaning}
}

// checkFormat compares the format of a store with the one that its rows in the database were written in.
func (w *Worker) checkFormat(d *database, s graph.Store) error {
	now := formatOf(s)
	before, known, err := d.format(s.Name)
	if err != nil {
		return err
	}
	if known && before == now {
		return nil
	}
	if known {
		if w.config.OnReformat == nil {
			return fmt.Errorf("store %q: %w: its rows on disk were written as %+v, and the topology declares %+v", s.Name, weir.ErrDefinitionChanged, before, now)
		}
		if err := w.config.OnReformat(s, before, now); err != nil {
			return err
		}
	}
	return d.setFormat(s.Name, now)
}

// format reads the format of a store. It is not known of one that is new.
func (d *database) format(name string) (f StoreFormat, known bool, err error) {
	text, err := d.backend.Get(nil, metaKey('f', name))
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

func (d *database) setFormat(name string, f StoreFormat) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return d.write(func(b state.Batch) error { return b.Set(metaKey('f', name), text) })
}
