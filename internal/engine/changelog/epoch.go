package changelog

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// Epoch identifies the owner that wrote a record of a changelog. At least once nothing keeps a process that has lost a task, and does
// not know it, from appending to the task's changelogs. So each owner begins with a claim: a record with its epoch, which
// is greater than that of all owners before. Then it restores the state, up to its claim. Records behind the claim with
// a lesser epoch do not count.
//
//	term        4 bytes  how often the group has begun anew to count generations
//	generation  4 bytes  of the group, when the task was assigned
//	stamp       8 bytes  the time of that in nanoseconds: a static member can take another's place within a generation
//
// Exactly once, transactions do the same. Their records have no epoch, and all of them count.
type Epoch [16]byte

const (
	// OwnerHeader is the header of a changelog record that holds an epoch.
	OwnerHeader = "__owner__"
	// ClaimKey is the key of claims. It is in no store but by an accident that we rule out.
	ClaimKey = "\x00\xff__weir_owner_of_the_task__\xff\x00"
)

func NewEpoch(term uint32, generation int32, at time.Time) (e Epoch) {
	binary.BigEndian.PutUint32(e[:], term)
	binary.BigEndian.PutUint32(e[4:], uint32(generation))
	binary.BigEndian.PutUint64(e[8:], uint64(at.UnixNano()))
	return e
}

func (e Epoch) Term() uint32 { return binary.BigEndian.Uint32(e[:]) }

// WithTerm returns the epoch of the same owner in another term.
func (e Epoch) WithTerm(term uint32) Epoch {
	binary.BigEndian.PutUint32(e[:], term)
	return e
}

func (e Epoch) Before(other Epoch) bool { return bytes.Compare(e[:], other[:]) < 0 }

// String returns the epoch in an order-preserving form.
func (e Epoch) String() string { return hex.EncodeToString(e[:]) }

// ParseEpoch reads the text that String returns.
func ParseEpoch(text string) (e Epoch, err error) {
	decoded, err := hex.DecodeString(text)
	if err != nil || len(decoded) != len(e) {
		return e, fmt.Errorf("%q is not an epoch", text)
	}
	return Epoch(decoded), nil
}

// EpochOf returns the epoch of a changelog record; zero, which is before all others, if it has none.
func EpochOf(r *broker.Record) (e Epoch, err error) {
	for i := range r.Headers {
		if h := &r.Headers[i]; h.Key == OwnerHeader {
			if len(h.Value) != len(e) {
				return e, fmt.Errorf("header %s: %d bytes, want %d", OwnerHeader, len(h.Value), len(e))
			}
			copy(e[:], h.Value)
		}
	}
	return e, nil
}
