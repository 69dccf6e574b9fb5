package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
)

// process plays a process that reads all splits.
type process[K, V any] struct {
	bench *bench[K, V]
	from  source.Source[K, V]
}

// step is the result of a call of Read.
type step[K, V any] struct {
	records  []weir.Record[K, V]
	items    []Item
	position []byte // the one behind the records
	kept     []byte // a copy of it
	end      bool
}

// patience is how long a call may take that should not wait.
const patience = 30 * time.Second

func (b *bench[K, V]) start() (*process[K, V], error) {
	p := &process[K, V]{b, b.New(b.tb, b.place)}
	if err := p.from.Connect(b.tb.Context()); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return p, nil
}

func (p *process[K, V]) close() error {
	if err := p.from.Close(context.WithoutCancel(p.bench.tb.Context())); err != nil {
		return fmt.Errorf("close the source: %w", err)
	}
	return nil
}

// splits returns the splits of a source that takes none for finished.
func (p *process[K, V]) splits() ([]source.Split, error) {
	splits, err := p.from.Splits(p.bench.tb.Context(), func(string) bool { return false })
	if err != nil {
		return nil, fmt.Errorf("look for splits: %w", err)
	}
	seen := map[string]bool{}
	for _, s := range splits {
		if s.ID == "" || seen[s.ID] {
			return nil, fmt.Errorf("the split ID %q is empty or there twice", s.ID)
		}
		seen[s.ID] = true
	}
	return splits, nil
}

func (b *bench[K, V]) task() source.Task {
	return source.Task{Application: "sourcetest", Source: "system", Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
}

// open opens a split behind a position.
func (p *process[K, V]) open(split source.Split, position []byte) (source.Reader[K, V], error) {
	ctx, cancel := context.WithCancel(p.bench.tb.Context())
	defer cancel() // the reader outlives the call
	r, err := p.from.Open(ctx, p.bench.task(), split, bytes.Clone(position))
	if err != nil {
		return nil, fmt.Errorf("open split %q behind position %q: %w", split.ID, position, err)
	}
	if r == nil {
		return nil, fmt.Errorf("open split %q: there is neither a reader nor an error", split.ID)
	}
	return r, nil
}

// untilIdle returns a context that ends when nothing more can be expected: after Idle if no item is missing, and after patience at the latest. A reader is
// not used again behind a Read whose context has ended, so the context of a Read that waits for missing items must go on.
func (b *bench[K, V]) untilIdle() (context.Context, context.CancelFunc) {
	if b.Bounded {
		return context.WithTimeout(b.tb.Context(), patience)
	}
	ctx, cancel := context.WithTimeout(b.tb.Context(), max(patience, b.Idle))
	go func() {
		for missing := true; missing; missing = b.missing.Load() > 0 {
			select {
			case <-time.After(b.Idle):
			case <-ctx.Done():
				return
			}
		}
		cancel()
	}()
	return ctx, cancel
}

// read calls Read until something comes, the split is at its end, or nothing has come for Idle from a split without an end. done is
// true in the last two cases.
func (b *bench[K, V]) read(r source.Reader[K, V], position []byte) (s step[K, V], done bool, err error) {
	ctx, cancel := b.untilIdle()
	defer cancel()
	s.position = position
	for {
		batch := source.Batch[K, V]{Behind: -1}
		err := r.Read(ctx, &batch)
		later, isLater := errors.AsType[*weir.RetryLaterError](err)
		s.end = err == io.EOF //nolint:errorlint // as the runtime takes it
		switch {
		case err == nil, s.end, isLater:
		case ctx.Err() != nil && !b.Bounded:
			return s, true, nil
		default:
			return s, true, fmt.Errorf("read behind position %q: %w", position, err)
		}
		if s.end && !b.Bounded {
			return s, true, errors.New("a split is at its end, although System.Bounded is not set")
		}
		s.records = batch.Records
		for _, record := range batch.Records {
			s.items = append(s.items, b.Item(record))
		}
		if batch.Position != nil {
			s.position = batch.Position
		}
		s.kept = bytes.Clone(s.position)
		b.missing.Add(-int64(len(batch.Records)))
		if len(batch.Records) > 0 || s.end {
			return s, s.end, nil
		}
		if ctx.Err() != nil {
			if b.Bounded {
				return s, true, fmt.Errorf("neither records nor the end of the split have come within %v", patience)
			}
			return s, true, nil
		}
		if isLater {
			select {
			case <-time.After(min(later.Wait(), time.Second)):
			case <-ctx.Done():
			}
		}
	}
}

// readSplit reads a split behind a position, and closes its reader.
func (p *process[K, V]) readSplit(split source.Split, position []byte) (steps []step[K, V], err error) {
	return p.readSome(split, position, math.MaxInt, false)
}

// readSome is readSplit that ends when so many records have come, and may acknowledge them.
func (p *process[K, V]) readSome(split source.Split, position []byte, want int, acknowledge bool) (steps []step[K, V], err error) {
	r, err := p.open(split, position)
	if err != nil {
		return nil, err
	}
	for done := want == 0; !done && err == nil; {
		var s step[K, V]
		s, done, err = p.bench.read(r, position)
		position = s.position
		if len(s.items) > 0 || s.end {
			steps = append(steps, s)
			want -= len(s.items)
		}
		done = done || want <= 0
	}
	if acknowledge && err == nil && len(steps) > 0 {
		if err = r.Acknowledge(p.bench.tb.Context(), position); err != nil {
			err = fmt.Errorf("acknowledge position %q: %w", position, err)
		}
	}
	if closed := r.Close(); closed != nil && err == nil {
		err = fmt.Errorf("close the reader of split %q: %w", split.ID, closed)
	}
	return steps, err
}

// readAll reads all splits from the start.
func (p *process[K, V]) readAll() ([]Item, error) {
	splits, err := p.splits()
	if err != nil {
		return nil, err
	}
	items := make([][]Item, len(splits))
	err = eachSplit(splits, func(i int, split source.Split) error {
		steps, err := p.readSplit(split, nil)
		items[i] = itemsOf(steps)
		return err
	})
	return slices.Concat(items...), err
}

// eachSplit calls a function for each split, all at the same time, as tasks read them.
func eachSplit(splits []source.Split, check func(i int, split source.Split) error) error {
	problems := make([]error, len(splits))
	var all sync.WaitGroup
	for i, split := range splits {
		all.Go(func() { problems[i] = check(i, split) })
	}
	all.Wait()
	return errors.Join(problems...)
}

func itemsOf[K, V any](steps []step[K, V]) (items []Item) {
	for _, s := range steps {
		items = append(items, s.items...)
	}
	return items
}

// check fills the place, reads everything by a new process, and compares.
func (b *bench[K, V]) check(want []Item) error {
	b.fill(want)
	p, err := b.start()
	if err != nil {
		return err
	}
	got, err := p.readAll()
	if err := errors.Join(err, p.close()); err != nil {
		return err
	}
	return b.same(got, want)
}
