package config

import (
	"container/list"
	"context"
	"crypto/sha1" //nolint:gosec // ids of the service are such sums; nothing is kept secret by them
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirstreams/weir"
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

// parseID reads an id as events have it. Only lower case counts, as in other readers of the service.
func parseID(text string) (id, error) {
	var sum id
	n, err := hex.Decode(sum[:], []byte(text[:min(len(text), 2*len(sum))]))
	if err != nil || n != len(sum) || hex.EncodeToString(sum[:]) != text {
		return sum, fmt.Errorf("id %q is not a SHA-1 sum in lower case: no lookup could find it", text)
	}
	return sum, nil
}

// Times are compared as nanoseconds since the Unix epoch. A time out of range counts as before, or after, all others.
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

// need is the configuration that a lookup needs for one query.
type need struct {
	query           *Query
	kind            string // instead of the type that query names
	exact, fallback id
	nanos           int64

	version *version // or nil: there is none
	loaded  *loaded  // of version, or nil if err says why not
	err     error
	flight  *flight
}

func needOf(q *Query, kind string) need {
	return need{query: q, kind: kind, exact: idOf(kind, q.TargetKey), fallback: idOf(kind, wildcard), nanos: nanosOf(q.Time)}
}

// String returns the need as errors show it.
func (n *need) String() string {
	return Query{Type: n.kind, TargetKey: n.query.TargetKey, Time: n.query.Time}.String()
}

// resolve finds versions and fetches their contents, and waits for missing ones as long as Config.Grace allows. The failure of a
// single need is in the need; the returned error fails all of them. If ctx times out first, the next call waits on.
func (c *Configurations) resolve(ctx context.Context, needs []need) error {
	var again func(*need) bool // nil: all of them
	for {
		t, changes, err := c.try(ctx, needs, again)
		if err != nil || c.config.Grace == 0 {
			return err
		}
		now, wake := time.Now(), time.Time{}
		var missing *need
		for i := range needs {
			n := &needs[i]
			if n.loaded != nil {
				c.waits.forget(n.exact)
				continue
			}
			deadline := c.waits.deadline(n.exact, now, c.config.Grace)
			if !now.Before(deadline) {
				continue
			}
			missing = n
			for _, at := range []time.Time{deadline, n.retryAt()} {
				if !at.IsZero() && (wake.IsZero() || at.Before(wake)) {
					wake = at
				}
			}
		}
		if missing == nil {
			return nil
		}
		timer := time.NewTimer(time.Until(wake) + time.Millisecond)
		select {
		case <-t.next(changes):
		case <-timer.C:
		case <-ctx.Done():
		case <-c.ended:
		}
		timer.Stop()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return &weir.RetryLaterError{Err: fmt.Errorf("wait for %v (Config.Grace is %v)", missing, c.config.Grace)}
		}
		again = func(n *need) bool { return n.loaded == nil }
	}
}

// try finds versions and contents for the needs that only names, or for all of them. It waits for fetches, not for their
// repetition. It returns the table that it has looked at, and how many changes that has had.
func (c *Configurations) try(ctx context.Context, needs []need, only func(*need) bool) (t *table, changes int, err error) {
	if ctx.Err() != nil {
		return nil, 0, context.Cause(ctx)
	}
	if err := c.usable(); err != nil {
		return nil, 0, err
	}
	t = c.table.Load()
	t.mu.RLock()
	changes = t.changes
	for i := range needs {
		if n := &needs[i]; only == nil || only(n) {
			n.version, n.loaded, n.err = t.find(n.exact, n.fallback, n.nanos), nil, nil
		}
	}
	t.mu.RUnlock()
	for i := range needs {
		if n := &needs[i]; n.version != nil && n.loaded == nil {
			n.loaded, n.flight, n.err = c.contents.get(n.version.content)
		}
	}
	for i := range needs {
		n := &needs[i]
		if n.flight == nil {
			continue
		}
		select {
		case <-n.flight.done:
			n.loaded, n.err = n.flight.loaded, n.flight.err
			n.flight = nil
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		}
	}
	if c.closed.Load() {
		return nil, 0, c.usable() // what is given up because of Close is not missing
	}
	return t, changes, nil
}

// retryAt returns when content that could not be fetched may be fetched again, or the zero time.
func (n *need) retryAt() time.Time {
	if n.version == nil {
		return time.Time{}
	}
	c := n.version.content
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure == nil {
		return time.Time{}
	}
	return c.retryAt
}

// waits knows until when records wait for configurations that are missing. It may be used by several goroutines at once.
type waits struct {
	some  atomic.Bool // there are any
	mu    sync.Mutex  // guards what follows
	until map[id]*list.Element
	order list.List // of wait, in the order in which they were missed
}

type wait struct {
	id    id
	until time.Time
}

// maxWaits is how many configurations are remembered as missing. One that is forgotten is waited for anew.
const maxWaits = 100_000

// deadline returns until when to wait for a configuration: Config.Grace after it was first missed.
func (w *waits) deadline(sum id, now time.Time, grace time.Duration) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.until[sum]; ok {
		return e.Value.(wait).until
	}
	if w.until == nil {
		w.until = map[id]*list.Element{}
	}
	w.some.Store(true)
	until := now.Add(grace)
	w.until[sum] = w.order.PushBack(wait{sum, until})
	if len(w.until) > maxWaits {
		oldest := w.order.Remove(w.order.Front()).(wait)
		delete(w.until, oldest.id)
	}
	return until
}

// forget notes that a configuration was there.
func (w *waits) forget(sum id) {
	if !w.some.Load() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.until[sum]; ok {
		w.order.Remove(e)
		delete(w.until, sum)
		w.some.Store(len(w.until) > 0)
	}
}
