package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
)

// memorySystem is a system in memory: a log for each place, which is read in two splits, or a queue.
type memorySystem struct {
	mu    sync.Mutex // guards the fields below
	logs  map[string][]Item
	acked map[string]int
}

// faults are mistakes of a source.
type faults struct {
	skipOne, repeatOne, reuse, reusePosition, loseNull, leak, tellSecret, ackEarly, ackMore, waitForEver, newIDs, needDetail bool
	loseNew, disorder                                                                                                        bool
	slow                                                                                                                     time.Duration
}

type kind struct {
	bounded, queue bool
	faults
}

type memorySource struct {
	system *memorySystem
	place  string
	kind
	looks int
}

type record = weir.Record[*string, *string]

func (s *memorySource) Connect(context.Context) error {
	if s.system == nil && s.tellSecret {
		return errors.New("connect to memory://user:hunter2@nowhere")
	}
	if s.system == nil {
		return errors.New("connect to memory://user@nowhere")
	}
	return nil
}
func (s *memorySource) Close(context.Context) error { return nil }

func (s *memorySource) Splits(context.Context, func(string) bool) ([]source.Split, error) {
	s.looks++
	if s.queue {
		return []source.Split{{ID: "queue"}}, nil
	}
	suffix := ""
	if s.newIDs {
		suffix = fmt.Sprint("-", s.looks)
	}
	return []source.Split{{ID: "even" + suffix, Detail: 0}, {ID: "odd" + suffix, Detail: 1}}, nil
}

func (s *memorySource) Open(_ context.Context, _ source.Task, split source.Split, position []byte) (source.Reader[*string, *string], error) {
	r := &memoryReader{memorySource: s, split: split.ID}
	if s.needDetail && split.Detail == nil {
		return nil, errors.New("the split is not known")
	}
	if strings.HasPrefix(split.ID, "odd") {
		r.next = 1
	}
	if position != nil {
		next, err := strconv.Atoi(string(position))
		if err != nil {
			return nil, err
		}
		r.next = next
		switch {
		case s.skipOne && next > 10:
			r.next += r.step()
		case s.repeatOne && next > 10:
			r.next -= r.step()
		}
	}
	if s.queue {
		s.system.mu.Lock()
		r.next = s.system.acked[s.place]
		s.system.mu.Unlock()
	}
	if s.leak {
		go func() { time.Sleep(time.Minute) }() // longer than the kit waits
	}
	return r, nil
}

type memoryReader struct {
	*memorySource
	split    string
	next     int
	text     [2]string
	position []byte
}

func (r *memoryReader) step() int {
	if r.queue {
		return 1
	}
	return 2
}

func (r *memoryReader) Read(ctx context.Context, into *source.Batch[*string, *string]) error {
	select {
	case <-time.After(r.slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	for waited := time.Duration(0); ; {
		r.system.mu.Lock()
		log := r.system.logs[r.place]
		if r.loseNew {
			log = log[:min(len(log), 5)]
		}
		for len(into.Records) < 7 && r.next < len(log) {
			item := log[r.next]
			r.next += r.step()
			if item.NullKey && r.loseNull {
				continue
			}
			key, value := item.Pointers()
			if r.reuse && key != nil && value != nil {
				r.text = [2]string{*key, *value}
				key, value = &r.text[0], &r.text[1]
			}
			into.Records = append(into.Records, record{Key: key, Value: value})
		}
		if r.disorder {
			slices.Reverse(into.Records)
		}
		end := r.next >= len(log)
		if r.ackEarly {
			r.system.acked[r.place] = r.next
		}
		r.system.mu.Unlock()
		if r.reusePosition {
			r.position = strconv.AppendInt(r.position[:0], int64(r.next), 10)
			into.Position = r.position
		} else {
			into.Position = strconv.AppendInt(nil, int64(r.next), 10)
		}
		switch {
		case end && r.bounded:
			return io.EOF
		case len(into.Records) > 0:
			return nil
		case waited > 200*time.Millisecond && r.queue && !r.waitForEver:
			return nil
		}
		wait := 10 * time.Millisecond
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		waited += wait
	}
}

func (r *memoryReader) Acknowledge(_ context.Context, position []byte) error {
	r.system.mu.Lock()
	defer r.system.mu.Unlock()
	n, err := strconv.Atoi(string(position))
	if r.ackMore {
		n = r.next
	}
	r.system.acked[r.place] = max(r.system.acked[r.place], n)
	return err
}

func (r *memoryReader) Close() error { return nil }

func system(k kind) System[*string, *string] {
	m := &memorySystem{logs: map[string][]Item{}, acked: map[string]int{}}
	s := System[*string, *string]{
		New: func(_ testing.TB, place string) source.Source[*string, *string] {
			return &memorySource{system: m, place: place, kind: k}
		},
		Fill: func(_ testing.TB, place string, items []Item) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.logs[place] = append(m.logs[place], items...)
		},
		Item:    func(r record) Item { return OfPointers(r.Key, r.Value) },
		Bounded: k.bounded, Unordered: !k.queue, Once: k.queue, Grows: !k.bounded, Records: 2000, Idle: 100 * time.Millisecond,
		Secrets: []string{"hunter2"},
		Unreachable: func(testing.TB) source.Source[*string, *string] {
			return &memorySource{kind: k}
		},
	}
	if k.queue {
		s.Acknowledged = func(_ testing.TB, place string) int {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.acked[place]
		}
	}
	return s
}

func TestGoodSourcesPass(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]kind{"with an end": {bounded: true}, "without an end": {}, "a queue": {queue: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			Run(t, system(k))
		})
	}
}

func TestASequencePasses(t *testing.T) {
	logs := map[string][]Item{}
	Run(t, System[*string, *string]{
		New: func(_ testing.TB, place string) source.Source[*string, *string] {
			return source.FromSeq(func(yield func(record) bool) {
				for _, item := range logs[place] {
					key, value := item.Pointers()
					if !yield(record{Key: key, Value: value}) {
						return
					}
				}
			})
		},
		Fill:    func(_ testing.TB, place string, items []Item) { logs[place] = append(logs[place], items...) },
		Item:    func(r record) Item { return OfPointers(r.Key, r.Value) },
		Bounded: true,
	})
}

// A split counts as read when no record is missing any more: a machine that stands still for longer than Idle changes nothing.
func TestASlowSourcePasses(t *testing.T) {
	for _, c := range cases[*string, *string]() {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := system(kind{faults: faults{slow: time.Second}})
				if err := c.check(&bench[*string, *string]{System: &s, tb: t, place: "p"}); err != nil && !errors.As(err, new(missingField)) {
					t.Error(err)
				}
			})
		})
	}
}

// Each mistake is found by the case that is there for it.
func TestMistakesOfSourcesAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		kind kind
		by   string
	}{
		"a record is skipped behind a position":   {kind{bounded: true, faults: faults{skipOne: true}}, "a reader goes on behind every position"},
		"a record is repeated behind a position":  {kind{faults: faults{repeatOne: true}}, "a split moves to another owner"},
		"records share their memory":              {kind{bounded: true, faults: faults{reuse: true}}, "records and positions keep their memory"},
		"positions share their memory":            {kind{bounded: true, faults: faults{reusePosition: true}}, "records and positions keep their memory"},
		"records come in another order":           {kind{queue: true, faults: faults{disorder: true}}, "all records are read in order"},
		"null keys are lost":                      {kind{bounded: true, faults: faults{loseNull: true}}, "records with null keys"},
		"a secret is told":                        {kind{faults: faults{tellSecret: true}}, "secrets are not in errors"},
		"acknowledged as it is read":              {kind{queue: true, faults: faults{ackEarly: true}}, "nothing is acknowledged before it is committed"},
		"more is acknowledged than was committed": {kind{queue: true, faults: faults{ackMore: true}}, "committed positions are acknowledged"},
		"splits get other IDs":                    {kind{bounded: true, faults: faults{newIDs: true}}, "the splits are the same each time"},
		"a split is not opened by its ID":         {kind{bounded: true, faults: faults{needDetail: true}}, "a split is read to its end after its source has left it out"},
		"what comes later is lost":                {kind{faults: faults{loseNew: true}}, "records that come later"},
		"a goroutine is left":                     {kind{bounded: true, faults: faults{leak: true}}, "no goroutine is left"},
		"a reader with acknowledgements waits":    {kind{queue: true, faults: faults{waitForEver: true}}, "a reader that acknowledges does not wait for ever"},
	} {
		test := func(t *testing.T) {
			s := system(c.kind)
			i := slices.IndexFunc(cases[*string, *string](), func(k testCase[*string, *string]) bool { return k.name == c.by })
			if i < 0 {
				t.Fatalf("there is no case %q", c.by)
			}
			if err := cases[*string, *string]()[i].check(&bench[*string, *string]{System: &s, tb: t, place: "p", leaks: 100 * time.Millisecond}); err == nil {
				t.Errorf("%q has found nothing", c.by)
			} else if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the kit tells the secret: %v", err)
			}
		}
		t.Run(name, func(t *testing.T) {
			if c.kind.leak { // a bubble waits for its goroutines
				test(t)
			} else {
				synctest.Test(t, test)
			}
		})
	}
}
