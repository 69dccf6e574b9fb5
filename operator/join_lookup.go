package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/join"
)

// maxLookupBatch is how many queries a lookup is asked at once at most, and how many records it holds before it asks to be
// settled.
const maxLookupBatch = 1000

// Lookup joins each record with the row that a lookup finds for it. It holds records until it is settled, asks for all of
// them at once, and hands the results on in the order of the records. They carry key, time and headers of the records.
type Lookup[K, V, Q, R, W any] struct {
	env       *Env
	node      int
	lookup    join.Lookup[Q, R]
	unmatched bool // whether records without a row are emitted
	null      nullRule[R]
	query     func(ctx context.Context, r *weir.Record[K, V]) (Q, error)
	merge     func(ctx context.Context, r *weir.Record[K, V], row *R) (W, error)
	next      Receiver[K, W]
	out       weir.Record[K, W]
	limits    join.Limits
	deadline  deadline
	// Clone copies a value that is going to change while it is held. It is nil if none does.
	Clone func(V) V

	// The held records, side by side. Records before done are finished, those from there to answered have their rows.
	records []weir.Record[K, V]
	origins []weir.Origin
	queries []Q
	found   []*R
	headers []weir.Header // of all records, and their values
	bytes   []byte

	done, answered int
	// batch is how many queries are asked at once: fewer than could be after an error.
	batch int
	// working is set while code runs that may panic for the record before done.
	working bool

	// before, if not nil, is called with each answered record before it is handled. After its error it is called again.
	before func(i int) error
	// handle, if not nil, is called with each answered record in place of emit: records without a row may wait.
	handle func(i int) error
	// fresh makes caches pass queries on.
	fresh bool

	// since is when the lookup has begun to answer nothing, and zero while it answers. late counts how often the record at
	// done, asked for alone, has found no answer in time.
	since time.Time
	late  int
	// known is the query that was answered last, if any was.
	known     Q
	someKnown bool
}

// NewLookup returns an operator that joins records with the rows of lookup. merge is called with nil for a record without one
// if unmatched is set.
func NewLookup[K, V, Q, R, W any](
	env *Env, node int, lookup join.Lookup[Q, R], unmatched bool,
	query func(ctx context.Context, r *weir.Record[K, V]) (Q, error),
	merge func(ctx context.Context, r *weir.Record[K, V], row *R) (W, error), next Receiver[K, W],
) *Lookup[K, V, Q, R, W] {
	l := newLookup(env, node, lookup, unmatched, query, merge, next)
	env.Buffers = append(env.Buffers, l)
	return l
}

// newLookup is NewLookup without a place among the task's buffers.
func newLookup[K, V, Q, R, W any](
	env *Env, node int, lookup join.Lookup[Q, R], unmatched bool,
	query func(ctx context.Context, r *weir.Record[K, V]) (Q, error),
	merge func(ctx context.Context, r *weir.Record[K, V], row *R) (W, error), next Receiver[K, W],
) *Lookup[K, V, Q, R, W] {
	s := join.SettingsOf(lookup)
	l := &Lookup[K, V, Q, R, W]{
		env: env, node: node, lookup: lookup, unmatched: unmatched, query: query, merge: merge, next: next, batch: maxLookupBatch,
		null: typeNullRule[R](), limits: join.Limits{Timeout: s.Timeout, Tries: s.Tries, MaxOutage: s.MaxOutage},
	}
	l.deadline.timeout = l.limits.Timeout
	env.OnClose = append(env.OnClose, func() error {
		l.deadline.end()
		return nil
	})
	return l
}

// Receive implements [Receiver]. It makes the query, and keeps it with the record.
func (l *Lookup[K, V, Q, R, W]) Receive(r *weir.Record[K, V]) error {
	l.env.Enter(l.node)
	q, err := l.query(l.env.Context, r)
	if err != nil {
		return err
	}
	value := r.Value
	if l.Clone != nil {
		value = l.Clone(value)
	}
	// In its place, field by field: a composite literal is built elsewhere and copied.
	l.records = append(l.records, weir.Record[K, V]{})
	kept := &l.records[len(l.records)-1]
	kept.Key, kept.Value, kept.Millis, kept.Origin = r.Key, value, r.Millis, r.Origin
	kept.KeyNull, kept.ValueNull = r.KeyNull, r.ValueNull
	if len(r.Headers) > 0 {
		kept.Headers = l.keepHeaders(r.Headers)
	}
	l.queries = append(l.queries, q)
	l.found = append(l.found, nil)
	origin := r.Origin
	if origin == nil {
		origin = &l.env.Origin
	}
	l.origins = append(l.origins, *origin)
	return nil
}

// keepHeaders copies headers out of a fetch buffer. Growing leaves the old copies where they are.
func (l *Lookup[K, V, Q, R, W]) keepHeaders(headers []weir.Header) []weir.Header {
	from := len(l.headers)
	for _, h := range headers {
		if h.Value != nil {
			start := len(l.bytes)
			l.bytes = append(l.bytes, h.Value...)
			h.Value = nonNil(l.bytes[start:len(l.bytes):len(l.bytes)])
		}
		l.headers = append(l.headers, h)
	}
	return l.headers[from:len(l.headers):len(l.headers)]
}

// Full implements [Buffer].
func (l *Lookup[K, V, Q, R, W]) Full() bool { return len(l.records) >= maxLookupBatch }

// Held implements [Buffer].
func (l *Lookup[K, V, Q, R, W]) Held() int { return len(l.records) }

// Discard implements [Buffer].
func (l *Lookup[K, V, Q, R, W]) Discard() {
	clear(l.records) // what they refer to
	clear(l.queries)
	clear(l.found)
	clear(l.headers)
	l.records, l.origins, l.queries, l.found = l.records[:0], l.origins[:0], l.queries[:0], l.found[:0]
	l.headers, l.bytes = l.headers[:0], l.bytes[:0]
	l.done, l.answered, l.working, l.late = 0, 0, false, 0
}

// Settle implements [Buffer].
func (l *Lookup[K, V, Q, R, W]) Settle() error {
	if l.working { // a panic came out of here
		l.fail()
	}
	for l.done < len(l.records) {
		if l.done == l.answered {
			if err := l.ask(); err != nil {
				return err
			}
			continue
		}
		i := l.done
		if l.before != nil {
			if err := l.before(i); err != nil {
				return err
			}
		}
		l.done, l.working = i+1, true
		var err error
		switch {
		case l.env.Trace != nil:
			err = l.traced(i)
		case l.handle == nil:
			err = l.emit(i)
		default:
			err = l.handle(i)
		}
		if err != nil {
			l.fail()
			return err
		}
		l.working = false
	}
	l.Discard()
	return nil
}

// traced handles an answered record with its own context.
func (l *Lookup[K, V, Q, R, W]) traced(i int) error {
	defer l.env.Trace.Resume(l.records[i].Headers)()
	if l.handle == nil {
		return l.emit(i)
	}
	return l.handle(i)
}

// fail gives up the input record of the record before done: other records of it are not handed on either.
func (l *Lookup[K, V, Q, R, W]) fail() {
	l.working = false
	failed := l.origins[l.done-1]
	for l.done < len(l.records) && l.origins[l.done] == failed {
		l.done++
	}
	l.answered = max(l.answered, l.done)
}

// emit hands on a record with its row.
func (l *Lookup[K, V, Q, R, W]) emit(i int) (err error) {
	row := l.found[i]
	if row == nil && !l.unmatched {
		return nil
	}
	r := &l.records[i]
	l.env.Origin = l.origins[i]
	r.Origin = &l.origins[i]
	l.env.Enter(l.node)
	derive(&l.out, r)
	if l.out.Value, err = l.merge(l.env.Context, r, row); err != nil {
		return err
	}
	return l.next.Receive(&l.out)
}

// ask gets rows for the next records. After an error that does not belong to one record only the size of the next
// try changes: it asks for fewer, since a large number may take too long.
func (l *Lookup[K, V, Q, R, W]) ask() error {
	l.env.Enter(l.node)
	l.env.Origin = l.origins[l.done]
	from := l.done
	to := min(len(l.records), from+l.batch)
	clear(l.found[from:to])
	parent := l.env.StepContext()
	ctx := l.deadline.of(parent)
	if l.fresh {
		ctx = join.BypassCache(ctx)
	}
	end := func(error) {}
	if l.env.Trace != nil {
		ctx, end = l.env.Trace.Call(ctx, "lookup", to-from, func(i int) []weir.Header { return l.records[from+i].Headers })
	}
	var err error
	if to-from > 1 {
		err = l.call(ctx, l.queries[from:to], l.found[from:to])
	} else {
		l.done, l.working = to, true
		err = l.lookup.Lookup(ctx, l.queries[from:to], l.found[from:to])
		l.done, l.working = from, false
	}
	end(err)
	if err == nil {
		l.forgetNulls(l.found[from:to])
		l.answered = to
		l.batch = min(maxLookupBatch, 2*l.batch)
		l.since, l.late = time.Time{}, 0
		l.known, l.someKnown = l.queries[to-1], true
		return nil
	}
	l.batch = max(1, (to-from)/2)
	late := ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded)
	unavailable, down := errors.AsType[*weir.RetryLaterError](err)
	switch {
	case parent.Err() != nil:
		return Fatal(context.Cause(parent))
	case down || late:
		var retryAfter time.Duration
		if down {
			retryAfter = unavailable.RetryAfter
		}
		if late {
			l.deadline.end()
			l.batch = max(1, (to-from)/8) // each try takes long
			err = fmt.Errorf("a lookup of %d rows has not answered in time: %w", to-from, err)
		}
		if err := l.wait(to-from == 1 && late, err); err != nil {
			return err
		}
		return &UnsettledError{weir.RetryLaterError{RetryAfter: retryAfter, Err: err}}
	case to-from > 1:
		return nil // smaller batches tell whose error it is
	default:
		l.since = time.Time{} // it does answer
		l.giveUp()
		return err
	}
}

// forgetNulls makes a row that is null by its type, such as a nil map, no row.
func (l *Lookup[K, V, Q, R, W]) forgetNulls(found []*R) {
	if l.null.nuller == nil {
		return
	}
	for i, row := range found {
		if row != nil && l.null.is(row) {
			found[i] = nil
		}
	}
}

// giveUp fails the record at done.
func (l *Lookup[K, V, Q, R, W]) giveUp() {
	l.done++
	l.late = 0
	l.fail()
}

// wait returns an error, and gives up the record at done, if that has waited for long enough. alone says that it was asked for
// alone, and there was no answer in time.
func (l *Lookup[K, V, Q, R, W]) wait(alone bool, err error) error {
	now := l.env.now()
	if l.since.IsZero() {
		l.since = now
	}
	if alone {
		l.late++
	}
	stuck := &join.LookupTimeoutError{Waited: now.Sub(l.since), Err: err}
	switch {
	case alone && l.limits.Tries > 0 && l.late >= l.limits.Tries && l.answersOthers():
		stuck.Tries = l.late
		l.since = time.Time{}
	case l.limits.MaxOutage <= 0 || stuck.Waited < l.limits.MaxOutage:
		return nil
	}
	l.giveUp()
	return stuck
}

// answersOthers reports whether the lookup answers another query than the one at done. It is asked for one that it has
// answered before and for the next, in turn: either may be the same as the one at done.
func (l *Lookup[K, V, Q, R, W]) answersOthers() bool {
	query := l.known
	switch next := l.done + 1; {
	case next < len(l.records) && (!l.someKnown || l.late%2 == 0):
		query = l.queries[next]
	case !l.someKnown:
		return false
	}
	ctx := l.deadline.of(l.env.StepContext())
	if l.call(join.BypassCache(ctx), []Q{query}, make([]*R, 1)) == nil {
		return true
	}
	l.deadline.end()
	return false
}

// call asks for a batch. A panic is an error of it.
func (l *Lookup[K, V, Q, R, W]) call(ctx context.Context, queries []Q, found []*R) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return l.lookup.Lookup(ctx, queries, found)
}

// deadline makes contexts that end in time, and uses each for many calls.
type deadline struct {
	timeout time.Duration
	parent  context.Context
	context context.Context
	cancel  context.CancelFunc
	until   time.Time // a call that begins later needs a new one
}

// of returns a context for a call that may take timeout, or up to a quarter more.
func (d *deadline) of(parent context.Context) context.Context {
	now := time.Now()
	if d.parent != parent || now.After(d.until) {
		d.end()
		d.parent, d.until = parent, now.Add(d.timeout/4)
		d.context, d.cancel = context.WithDeadline(parent, d.until.Add(d.timeout))
	}
	return d.context
}

// end lets go of the context.
func (d *deadline) end() {
	if d.cancel != nil {
		d.cancel()
	}
	d.parent, d.context, d.cancel = nil, nil, nil
}
