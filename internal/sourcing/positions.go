package sourcing

import (
	"fmt"
	"maps"
	"slices"

	"github.com/weirstreams/weir/internal/state"
)

// row is the state of a split: the position behind the last record that was written, and whether the split is at its end.
type row struct {
	position []byte
	finished bool
}

const (
	rowFinished = 1 << iota
	rowPosition
)

// append encodes the row: a byte of flags, and the position.
func (r row) append(dst []byte) []byte {
	flags := byte(0)
	if r.finished {
		flags |= rowFinished
	}
	if r.position != nil {
		flags |= rowPosition
	}
	return append(append(dst, flags), r.position...)
}

func parseRow(b []byte) (row, error) {
	if len(b) == 0 || b[0]&^(rowFinished|rowPosition) != 0 {
		return row{}, fmt.Errorf("%q is no position of a source", b)
	}
	r := row{finished: b[0]&rowFinished != 0}
	if b[0]&rowPosition != 0 {
		r.position = append([]byte{}, b[1:]...)
	}
	return r, nil
}

// positions is the store of a slot: a row for each split that was read. All rows are in memory, so that the goroutine that looks for
// splits can be told which are at their ends.
type positions struct {
	space   state.Space
	durable map[string]row
	// changed are rows that are not in the database, pending those of them that are not flushed, in the order of their change.
	changed map[string]row
	pending []string
	// flushed are rows of the running checkpoint, and committed those of the last one, until they are taken.
	flushed, committed map[string]row
	bytes              int64
}

func newPositions(space state.Space) *positions {
	return &positions{
		space: space, durable: map[string]row{}, changed: map[string]row{}, flushed: map[string]row{}, committed: map[string]row{},
	}
}

// load reads the rows of the database.
func (p *positions) load() error {
	to := append([]byte(nil), p.space.Prefix...)
	to[len(to)-1]++ // the last byte of the number of a store is below 0x80
	return p.space.Backend.Scan(p.space.Prefix, to, func(key, value []byte) (bool, error) {
		r, err := parseRow(value)
		if err != nil {
			return false, fmt.Errorf("store %q, split %q: %w", p.space.Name, key[len(p.space.Prefix):], err)
		}
		p.durable[string(key[len(p.space.Prefix):])] = r
		return true, nil
	})
}

// get returns the row of a split.
func (p *positions) get(split string) (r row, ok bool) {
	if r, ok = p.changed[split]; ok {
		return r, true
	}
	r, ok = p.durable[split]
	return r, ok
}

// set changes the row of a split.
func (p *positions) set(split string, r row) {
	if _, pending := p.pendingRow(split); !pending {
		p.pending = append(p.pending, split)
	}
	p.bytes += int64(len(split) + len(r.position) + 1)
	p.changed[split] = r
}

// pendingRow returns the row of a split if it has changed since the last flush.
func (p *positions) pendingRow(split string) (r row, ok bool) {
	r, ok = p.changed[split]
	if !ok {
		return r, false
	}
	f, ok := p.flushed[split]
	return r, !ok || string(f.position) != string(r.position) || f.finished != r.finished || (f.position == nil) != (r.position == nil)
}

// Name implements [state.Store].
func (p *positions) Name() string { return p.space.Name }

// DirtyBytes implements [state.Store].
func (p *positions) DirtyBytes() int64 { return p.bytes }

// Flush implements [state.Store].
func (p *positions) Flush(emit func(key, value []byte) error) error {
	var value []byte
	for _, split := range p.pending {
		r, ok := p.changed[split]
		if !ok {
			continue // it became what was flushed before, and was committed
		}
		value = r.append(value[:0])
		if err := emit([]byte(split), value); err != nil {
			return err
		}
		p.flushed[split] = r
	}
	p.pending, p.bytes = p.pending[:0], 0
	return nil
}

// Committed implements [state.Store].
func (p *positions) Committed() {
	for split, r := range p.flushed {
		p.durable[split], p.committed[split] = r, r
		if _, pending := p.pendingRow(split); !pending {
			delete(p.changed, split)
		}
	}
	clear(p.flushed)
}

// Discard implements [state.Store].
func (p *positions) Discard() {
	clear(p.changed)
	clear(p.flushed)
	p.pending, p.bytes = p.pending[:0], 0
}

// takeCommitted calls f for the rows that checkpoints since the last call have committed, sorted by split.
func (p *positions) takeCommitted(f func(split string, r row)) {
	for _, split := range slices.Sorted(maps.Keys(p.committed)) {
		f(split, p.committed[split])
	}
	clear(p.committed)
}
