package sourcetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/weirstreams/weir/source"
)

func all[K, V any](b *bench[K, V]) error { return b.check(items(0, 100)) }

func many[K, V any](b *bench[K, V]) error { return b.check(items(0, b.Records)) }

func empty[K, V any](b *bench[K, V]) error { return b.check(nil) }

func nullKeys[K, V any](b *bench[K, V]) error {
	if b.NoNullKeys {
		return missingField("NoNullKeys not to be set")
	}
	return b.check([]Item{{Key: "a", Value: "1"}, {NullKey: true, Value: "2"}, {Key: "b", Value: "3"}})
}

func nullValues[K, V any](b *bench[K, V]) error {
	if b.NoNullValues {
		return missingField("NoNullValues not to be set")
	}
	return b.check([]Item{{Key: "a", Value: "1"}, {Key: "b", NullValue: true}, {Key: "c", Value: "3"}})
}

func texts[K, V any](b *bench[K, V]) error {
	return b.check([]Item{
		{Key: "Zürich", Value: "naïve café"},
		{Key: "日本", Value: "東京 🗼"},
		{Key: "e\u0301", Value: "combining"},
		{Key: `quo"te'`, Value: "comma, semicolon; tab\tnewline\nreturn\rbackslash\\end"},
		{Key: "long", Value: strings.Repeat("long text ", 5000)},
		{Key: "empty", Value: ""},
		{Key: "zero", Value: "0"},
		{Key: "null", Value: "null"},
	})
}

// splits reads them by two processes.
func splits[K, V any](b *bench[K, V]) error {
	b.fill(items(0, 20))
	var first []string
	for range 2 {
		p, err := b.start()
		if err != nil {
			return err
		}
		for range 2 {
			found, err := p.splits()
			if err != nil {
				return err
			}
			var ids []string
			for _, s := range found {
				ids = append(ids, s.ID)
			}
			if first == nil {
				first = ids
			}
			if !slices.Equal(first, ids) {
				return fmt.Errorf("the splits are %q at first, and %q later", first, ids)
			}
		}
		if err := p.close(); err != nil {
			return err
		}
	}
	return nil
}

// maxPositions is how many positions of a split are tried.
const maxPositions = 40

func everyPosition[K, V any](b *bench[K, V]) error {
	if b.Once {
		return missingField("Once not to be set")
	}
	b.fill(items(0, 3000))
	p, err := b.start()
	if err != nil {
		return err
	}
	found, err := p.splits()
	if err != nil {
		return err
	}
	err = eachSplit(found, func(_ int, split source.Split) error {
		steps, err := p.readSplit(split, nil)
		if err != nil {
			return err
		}
		stride := max(1, len(steps)/maxPositions)
		for i := 0; i < len(steps); i += stride {
			want := itemsOf(steps[i+1:])
			b.missing.Add(int64(len(want)))
			rest, err := p.readSome(split, steps[i].kept, len(want), false)
			if err != nil {
				return err
			}
			if err := ordered(itemsOf(rest), want); err != nil {
				return fmt.Errorf("split %q behind position %q, that of batch %d of %d: %w", split.ID, steps[i].kept, i+1, len(steps), err)
			}
		}
		return nil
	})
	return errors.Join(err, p.close())
}

// ordered compares the items of one split.
func ordered(got, want []Item) error {
	return (&bench[int, int]{System: &System[int, int]{}}).same(got, want)
}

// someSteps reads a split until n items have come, and returns the reader.
func (p *process[K, V]) someSteps(split source.Split, n int) (r source.Reader[K, V], steps []step[K, V], err error) {
	if r, err = p.open(split, nil); err != nil {
		return nil, nil, err
	}
	var position []byte
	for len(itemsOf(steps)) < n {
		s, done, err := p.bench.read(r, position)
		if err != nil {
			return r, steps, err
		}
		position = s.position
		steps = append(steps, s)
		if done {
			break
		}
	}
	return r, steps, nil
}

// moves lets two processes read the splits one after the other, while both exist.
func moves[K, V any](b *bench[K, V]) error { return b.handOver(true) }

// byID is moves for splits that a source opens by their IDs alone.
func byID[K, V any](b *bench[K, V]) error { return b.handOver(false) }

func (b *bench[K, V]) handOver(detail bool) error {
	want := items(0, 2000)
	b.fill(want)
	first, err := b.start()
	if err != nil {
		return err
	}
	second, err := b.start()
	if err != nil {
		return err
	}
	found, err := first.splits()
	if err != nil {
		return err
	}
	others, err := second.splits()
	if err != nil {
		return err
	}
	got := make([][]Item, len(found))
	err = eachSplit(found, func(i int, split source.Split) error {
		r, steps, err := first.someSteps(split, 10)
		if err != nil {
			return err
		}
		var position []byte
		if len(steps) > 0 {
			position = steps[len(steps)-1].kept
			if err := r.Acknowledge(b.tb.Context(), position); err != nil {
				return fmt.Errorf("acknowledge: %w", err)
			}
		}
		if err := r.Close(); err != nil {
			return fmt.Errorf("close a reader: %w", err)
		}
		other := source.Split{ID: split.ID}
		if detail {
			other = others[i]
		}
		rest, err := second.readSplit(other, position)
		if err != nil {
			return err
		}
		got[i] = append(itemsOf(steps), itemsOf(rest)...)
		return nil
	})
	if err := errors.Join(err, first.close(), second.close()); err != nil {
		return err
	}
	return b.same(slices.Concat(got...), want)
}

func atEnd[K, V any](b *bench[K, V]) error {
	b.fill(items(0, 10))
	p, err := b.start()
	if err != nil {
		return err
	}
	found, err := p.splits()
	if err != nil {
		return err
	}
	err = eachSplit(found, func(_ int, split source.Split) error {
		steps, err := p.readSplit(split, nil)
		if err != nil {
			return err
		}
		if len(steps) == 0 {
			return nil
		}
		last := steps[len(steps)-1]
		if b.Bounded && !last.end {
			return fmt.Errorf("split %q has no end, although System.Bounded is set", split.ID)
		}
		if b.Once {
			return nil
		}
		rest, err := p.readSplit(split, last.kept)
		if err != nil {
			return err
		}
		if more := itemsOf(rest); len(more) > 0 {
			return fmt.Errorf("split %q gives %d records behind its last position %q", split.ID, len(more), last.kept)
		}
		return nil
	})
	return errors.Join(err, p.close())
}

func later[K, V any](b *bench[K, V]) error {
	if !b.Grows {
		return missingField("Grows")
	}
	b.fill(items(0, 5))
	p, err := b.start()
	if err != nil {
		return err
	}
	var mu sync.Mutex // guards the three
	positions := map[string][]byte{}
	finished := map[string]bool{}
	var got []Item
	for round := range 3 {
		if round > 0 {
			b.fill(items(5*round, 5))
		}
		found, err := p.from.Splits(b.tb.Context(), func(id string) bool { return finished[id] })
		if err != nil {
			return fmt.Errorf("look for splits: %w", err)
		}
		found = slices.DeleteFunc(found, func(split source.Split) bool { return finished[split.ID] })
		err = eachSplit(found, func(_ int, split source.Split) error {
			mu.Lock()
			position := positions[split.ID]
			mu.Unlock()
			steps, err := p.readSome(split, position, math.MaxInt, true)
			mu.Lock()
			defer mu.Unlock()
			for _, s := range steps {
				positions[split.ID], finished[split.ID] = s.kept, s.end
			}
			got = append(got, itemsOf(steps)...)
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := p.close(); err != nil {
		return err
	}
	return b.same(got, items(0, 15))
}

// memory looks at the records and positions again when everything was read.
func memory[K, V any](b *bench[K, V]) error {
	b.fill(items(0, 1000))
	p, err := b.start()
	if err != nil {
		return err
	}
	found, err := p.splits()
	if err != nil {
		return err
	}
	err = eachSplit(found, func(_ int, split source.Split) error {
		steps, err := p.readSplit(split, nil)
		if err != nil {
			return err
		}
		for _, s := range steps {
			if string(s.position) != string(s.kept) {
				return fmt.Errorf("position %q has become %q while the reader went on", s.kept, s.position)
			}
			for i, record := range s.records {
				if now := b.Item(record); now != s.items[i] {
					return fmt.Errorf("%s has become %s while the reader went on", short(s.items[i]), short(now))
				}
			}
		}
		return nil
	})
	return errors.Join(err, p.close())
}
