package tables_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/sourcetest"
	"github.com/weirstreams/weir/source/tables"
)

type (
	record    = weir.Record[*string, *string]
	rowRecord = weir.Record[string, row.Row]
)

func TestATableKeepsThePromisesOfSources(t *testing.T) {
	places := map[string][]sourcetest.Item{}
	sourcetest.Run(t, sourcetest.System[*string, *string]{
		New: func(_ testing.TB, place string) source.Source[*string, *string] {
			return tables.New(slices.Values(places[place]), tables.Options[sourcetest.Item, *string, *string]{
				Record: func(item sourcetest.Item) (r record, err error) {
					r.Key, r.Value = item.Pointers()
					return r, nil
				},
			})
		},
		Fill: func(_ testing.TB, place string, items []sourcetest.Item) {
			places[place] = append(places[place], items...)
		},
		Item:    func(r record) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
		Bounded: true,
	})
}

// open returns a reader with a clock that stands at the returned time.
func open[K, V any](t *testing.T, s source.Source[K, V], position string) (source.Reader[K, V], *time.Time) {
	t.Helper()
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1000, 0)
	task := source.Task{Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)}
	var at []byte
	if position != "" {
		at = []byte(position)
	}
	r, err := s.Open(t.Context(), task, source.Split{ID: "rows"}, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, &now
}

func atMillis(row int64) (weir.Record[int64, int64], error) {
	return weir.Record[int64, int64]{Value: row, Millis: row}, nil
}

func TestRowsComeWithTheirPace(t *testing.T) {
	times := []int64{10_000, 11_000, 10_500, 13_500, 100_000}
	for name, c := range map[string]struct {
		options tables.Options[int64, int64, int64]
		waits   []time.Duration // before each row
	}{
		"at once":          {tables.Options[int64, int64, int64]{}, []time.Duration{0, 0, 0, 0, 0}},
		"original":         {tables.Options[int64, int64, int64]{Speed: 1, MaxWait: 5 * time.Second}, []time.Duration{0, 1000, 0, 3000, 5000}},
		"twice as fast":    {tables.Options[int64, int64, int64]{Speed: 2}, []time.Duration{0, 500, 0, 1500, 43250}},
		"a constant delay": {tables.Options[int64, int64, int64]{Delay: 70 * time.Millisecond}, []time.Duration{0, 70, 70, 70, 70}},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Record = atMillis
			c.options.BatchRecords = 1
			r, now := open(t, tables.New(slices.Values(times), c.options), "")
			var batch source.Batch[int64, int64]
			for i, want := range times {
				batch.Reset()
				var waited time.Duration
				err := r.Read(t.Context(), &batch)
				if later, ok := errors.AsType[*weir.RetryLaterError](err); ok {
					waited = later.RetryAfter
					*now = now.Add(waited)
					err = r.Read(t.Context(), &batch)
				}
				if err != nil || len(batch.Records) != 1 || batch.Records[0].Value != want {
					t.Fatalf("row %d: %v, %v", i, batch.Records, err)
				}
				wait := c.waits[i]
				if c.waits[i] > 0 {
					wait *= time.Millisecond
				}
				if waited != wait {
					t.Errorf("row %d comes after %v, want %v", i, waited, wait)
				}
			}
			batch.Reset()
			if err := r.Read(t.Context(), &batch); err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
		})
	}
}

func TestRowsInFrontOfOneThatFailsCount(t *testing.T) {
	bad := errors.New("no such row")
	r, _ := open(t, tables.New(slices.Values([]int64{1, 2, 3}), tables.Options[int64, int64, int64]{
		Record: func(row int64) (weir.Record[int64, int64], error) {
			if row == 3 {
				return weir.Record[int64, int64]{}, bad
			}
			return atMillis(row)
		},
	}), "1")
	var batch source.Batch[int64, int64]
	if err := r.Read(t.Context(), &batch); err != nil || len(batch.Records) != 1 || string(batch.Position) != "2" {
		t.Fatalf("%v, position %q, %v", batch.Records, batch.Position, err)
	}
	batch.Reset()
	if err := r.Read(t.Context(), &batch); !errors.Is(err, bad) || !strings.Contains(err.Error(), "row 3") || batch.Position != nil {
		t.Errorf("position %q, error %v", batch.Position, err)
	}
}

func TestATableThatIsShorterThanBeforeIsRefused(t *testing.T) {
	s := tables.New(slices.Values([]int64{1, 2}), tables.Options[int64, int64, int64]{Record: atMillis})
	for _, position := range []string{"3", "-1", "two"} {
		if _, err := s.Open(t.Context(), source.Task{}, source.Split{}, []byte(position)); err == nil {
			t.Errorf("position %q is accepted", position)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Open(ctx, source.Task{}, source.Split{}, []byte("1")); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
}

func TestOptionsThatMakeNoSenseAreRefusedAtOnce(t *testing.T) {
	var none iter.Seq[int64]
	err := tables.New(none, tables.Options[int64, int64, int64]{Speed: 1, Delay: 1, MaxWait: -1, BatchRecords: -1}).Connect(t.Context())
	if !errors.Is(err, weir.ErrConfiguration) {
		t.Fatal(err)
	}
	for _, want := range []string{"the rows are nil", "Record is not set", "Speed or Delay", "MaxWait", "BatchRecords"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestColumnsMakeKeyAndTime(t *testing.T) {
	whole := row.New(row.F("session", "s1"), row.F("at", 5), row.F("metric", 1.5), row.F("nothing", row.Null()))
	for name, c := range map[string]struct {
		columns tables.Columns
		want    rowRecord
		err     string
	}{
		"the zero value":      {tables.Columns{}, rowRecord{Value: whole, KeyNull: true}, ""},
		"both":                {tables.Columns{Key: "session", Time: "at"}, rowRecord{Key: "s1", Millis: 5, Value: whole}, ""},
		"both, and dropped":   {tables.Columns{Key: "session", Time: "at", Drop: true}, rowRecord{Key: "s1", Millis: 5, Value: row.New(row.F("metric", 1.5), row.F("nothing", row.Null()))}, ""},
		"a null key":          {tables.Columns{Key: "nothing"}, rowRecord{Value: whole, KeyNull: true}, ""},
		"no such key":         {tables.Columns{Key: "user"}, rowRecord{}, `the key: there is no column "user"`},
		"a key of a number":   {tables.Columns{Key: "metric"}, rowRecord{}, `the key: column "metric"`},
		"a null time":         {tables.Columns{Time: "nothing"}, rowRecord{}, `the time: column "nothing"`},
		"a time of a text":    {tables.Columns{Time: "session"}, rowRecord{}, `the time: column "session"`},
		"a time that is lost": {tables.Columns{Time: "user"}, rowRecord{}, "user"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := c.columns.Record(whole)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			if diff := cmp.Diff(c.want, r); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	if _, err := (tables.Columns{Key: "a"}).Record(row.Row{}); err == nil {
		t.Error("a null row has a key")
	}
	if _, err := (tables.Columns{Time: "at"}).Record(row.New(row.F("at", 0))); err == nil {
		t.Error("a time of 0 is accepted")
	}
}
