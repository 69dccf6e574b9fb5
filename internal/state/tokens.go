package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Tokens keeps the tokens of the checkpoints that a sink in two phases has prepared, and the epoch of the task's owner.
//
// Its rows begin with a family byte:
//
//	'e'           the epoch of the last owner that has prepared anything, as text
//	't' epoch id  the token of a checkpoint: the epoch of the owner (text of one length), the number of the checkpoint (8 bytes, big
//	              endian). Rows are in the order of the checkpoints.
//
// A token is added by the checkpoint that it belongs to. It is removed by a checkpoint after its commit.
type Tokens struct {
	space Space
	// tokens are in the order of their keys.
	tokens []tokenRow
	epoch  string
	// epochState says how far epoch has come. A discarded epoch has to be set again.
	epochState tokenState
	stored     string // epoch in the database
}

// tokenRow is a token with its place in the life of one.
type tokenRow struct {
	Token
	state   tokenState
	flushed bool
}

// tokenState is where a row stands.
type tokenState int8

const (
	tokenStored tokenState = iota
	tokenAdded
	tokenDone
)

// Token is the token of a checkpoint.
type Token struct {
	// Key names the token in its store.
	Key string
	// Token are the bytes that the sink has made.
	Token []byte
}

const (
	familyEpoch = 'e'
	familyToken = 't'
)

// OpenTokens returns a store that has to be loaded when the task is restored.
func OpenTokens(space Space) *Tokens { return &Tokens{space: space} }

// Load reads the store from the database.
func (t *Tokens) Load() error {
	*t = Tokens{space: t.space}
	epoch, err := t.space.Backend.Get(nil, t.row(string(familyEpoch)))
	switch {
	case err == nil:
		t.epoch = string(epoch)
		t.stored = t.epoch
	case !errors.Is(err, ErrNotFound):
		return fmt.Errorf("store %q: %w: %w", t.space.Name, ErrRead, err)
	}
	from := t.row(string(familyToken))
	err = t.space.Backend.Scan(from, successor(from), func(key, value []byte) (bool, error) {
		token := Token{Key: string(key[len(t.space.Prefix):]), Token: slices.Clone(value)}
		t.tokens = append(t.tokens, tokenRow{Token: token})
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("store %q: %w: %w", t.space.Name, ErrRead, err)
	}
	return nil
}

func (t *Tokens) row(key string) []byte { return append(slices.Clone(t.space.Prefix), key...) }

// Epoch returns the epoch of the last owner, empty if there was none.
func (t *Tokens) Epoch() string { return t.epoch }

// SetEpoch sets the epoch of the owner, which is greater than that of the last one.
func (t *Tokens) SetEpoch(epoch string) {
	if t.stored != epoch {
		t.epoch, t.epochState = epoch, tokenAdded
	}
}

// Add adds the token of a checkpoint of the owner. The bytes are kept.
func (t *Tokens) Add(id int64, token []byte) {
	key := string(binary.BigEndian.AppendUint64(append([]byte{familyToken}, t.epoch...), uint64(id)))
	t.tokens = append(t.tokens, tokenRow{Token: Token{Key: key, Token: token}, state: tokenAdded})
}

// Waiting returns the tokens of checkpoints that have committed, and that are not removed, in order.
func (t *Tokens) Waiting() (waiting []Token) {
	for _, r := range t.tokens {
		if r.state == tokenStored {
			waiting = append(waiting, r.Token)
		}
	}
	return waiting
}

// Prepared reports whether there are tokens of a checkpoint that has not committed.
func (t *Tokens) Prepared() bool {
	return slices.ContainsFunc(t.tokens, func(r tokenRow) bool { return r.state == tokenAdded })
}

// Done reports whether there are tokens for the next checkpoint to remove.
func (t *Tokens) Done() bool {
	return slices.ContainsFunc(t.tokens, func(r tokenRow) bool { return r.state == tokenDone })
}

// Remove says that the work of a token is visible: the next checkpoint removes the token.
func (t *Tokens) Remove(key string) {
	for i := range t.tokens {
		if t.tokens[i].Key == key {
			t.tokens[i].state, t.tokens[i].flushed = tokenDone, false
		}
	}
}

// Name implements [Store].
func (t *Tokens) Name() string { return t.space.Name }

// DirtyBytes implements [Store].
func (t *Tokens) DirtyBytes() (n int64) {
	for _, r := range t.tokens {
		if r.state != tokenStored {
			n += int64(len(r.Key) + len(r.Token.Token))
		}
	}
	return n
}

// Flush implements [Store].
func (t *Tokens) Flush(emit func(key, value []byte) error) error {
	if t.epochState == tokenAdded {
		if err := emit([]byte{familyEpoch}, []byte(t.epoch)); err != nil {
			return err
		}
	}
	for i := range t.tokens {
		r := &t.tokens[i]
		value := r.Token.Token
		switch r.state {
		case tokenStored:
			continue
		case tokenDone:
			value = nil
		}
		if err := emit([]byte(r.Key), value); err != nil {
			return err
		}
		r.flushed = true
	}
	return nil
}

// Committed implements [Store].
func (t *Tokens) Committed() {
	t.stored, t.epochState = t.epoch, tokenStored
	t.tokens = slices.DeleteFunc(t.tokens, func(r tokenRow) bool { return r.flushed && r.state == tokenDone })
	for i := range t.tokens {
		if r := &t.tokens[i]; r.flushed {
			r.flushed, r.state = false, tokenStored
		}
	}
}

// Discard implements [Store]. Tokens that are done stay so: the work of each is visible, and its removal is still to be written.
func (t *Tokens) Discard() {
	t.epoch, t.epochState = t.stored, tokenStored
	t.tokens = slices.DeleteFunc(t.tokens, func(r tokenRow) bool { return r.state == tokenAdded })
	for i := range t.tokens {
		t.tokens[i].flushed = false
	}
}
