package quixconfig

import (
	"crypto/sha1" //nolint:gosec // ids of the service are such sums; nothing is kept secret by them
	"encoding/hex"
	"fmt"
	"math"
	"time"
)

// Query asks for the configuration of a key at a time.
type Query struct {
	// Type is the type of the configuration. For a lookup of fields it is that of fields which name none.
	Type string
	// TargetKey is the key that the configuration is for, mostly that of the record. Bytes are taken as text: string(key).
	TargetKey string
	// Time is when the configuration has to be valid, mostly the time of the record.
	Time time.Time
}

// String returns the query as errors show it.
func (q Query) String() string {
	return fmt.Sprintf("configuration %q of %q at %s", q.Type, q.TargetKey, q.Time.UTC().Format(time.RFC3339Nano))
}

// wildcard is the key of configurations for all keys that have none of their own.
const wildcard = "*"

// id names a configuration: the SHA-1 sum of its type and key.
type id [sha1.Size]byte

func idOf(kind, key string) id {
	var space [128]byte // mostly enough
	text := append(append(append(space[:0], kind...), '-'), key...)
	return sha1.Sum(text) //nolint:gosec // see the import
}

// parseID reads an id as events have it. Only lower case counts: that is what the service's other readers look for.
func parseID(text string) (id, error) {
	var sum id
	n, err := hex.Decode(sum[:], []byte(text[:min(len(text), 2*len(sum))]))
	if err != nil || n != len(sum) || hex.EncodeToString(sum[:]) != text {
		return sum, fmt.Errorf("id %q is not a SHA-1 sum in lower case: no lookup could find it", text)
	}
	return sum, nil
}

// Times are compared as nanoseconds since the Unix epoch. What does not fit is before, or after, all else.
const (
	always = math.MinInt64
	never  = math.MaxInt64
)

var earliest, latest = time.Unix(0, always+1), time.Unix(0, never-1)

func nanosOf(t time.Time) int64 {
	switch {
	case t.Before(earliest):
		return always
	case t.After(latest):
		return never
	}
	return t.UnixNano()
}
