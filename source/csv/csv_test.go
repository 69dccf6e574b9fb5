package csv_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/csv"
	"github.com/weirstreams/weir/source/sourcetest"
)

func open[K, V any](t *testing.T, text string, options csv.Options[K, V], now func() time.Time) source.Reader[K, V] {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.csv")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := csv.New(path, options)
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), source.Task{Now: now, Logger: slog.New(slog.DiscardHandler)}, source.Split{ID: "all"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestTheExampleOfTheOriginal(t *testing.T) {
	r := open(t, "key,field,timestamp\r\nkey5,value5,5\r\n", csv.Options[[]byte, row.Row]{
		Key: func(r row.Row) ([]byte, error) {
			key, err := r.Get[string]("key")
			return []byte(key), err
		},
		Time: func(r row.Row) (time.Time, error) {
			text, err := r.Get[string]("timestamp")
			if err != nil {
				return time.Time{}, err
			}
			millis, err := strconv.ParseInt(text, 10, 64)
			return time.UnixMilli(millis), err
		},
	}, time.Now)
	var batch source.Batch[[]byte, row.Row]
	if err := r.Read(t.Context(), &batch); !errors.Is(err, io.EOF) || len(batch.Records) != 1 {
		t.Fatal(err, batch.Records)
	}
	got := batch.Records[0]
	if text := fmt.Sprintf("%s %d %v", got.Key, got.Millis, got.Value); text != `key5 5 {"key":"key5","field":"value5","timestamp":"5"}` {
		t.Errorf("got %s", text)
	}
}

func TestLinesBecomeStructs(t *testing.T) {
	type reading struct {
		City    string   `json:"city"`
		Celsius *float64 `json:"celsius"`
	}
	var errs []string
	r := open(t, "city;celsius;more\nUlm;21.5;x\nKiel;;\nBonn;warm;\n", csv.Options[string, reading]{
		Dialect: format.Dialect{Comma: ';'},
		OnError: func(err *format.Error) error {
			errs = append(errs, err.Error()[strings.LastIndex(err.File, "/")+len("file ")+1:])
			return nil
		},
	}, time.Now)
	var batch source.Batch[string, reading]
	if err := r.Read(t.Context(), &batch); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	celsius := 21.5
	want := []weir.Record[string, reading]{{KeyNull: true, Value: reading{"Ulm", &celsius}}, {KeyNull: true, Value: reading{"Kiel", nil}}}
	if diff := cmp.Diff(want, batch.Records); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`in.csv, line 4: column "celsius": "warm" is no float: invalid syntax`}, errs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheDelayIsWaitedForByTheClock(t *testing.T) {
	now := time.Unix(0, 0)
	r := open(t, "a\n1\n2\n", csv.Options[string, row.Row]{Delay: time.Minute}, func() time.Time { return now })
	for i := range 2 {
		var batch source.Batch[string, row.Row]
		err := r.Read(t.Context(), &batch)
		if later, waits := errors.AsType[*weir.RetryLaterError](err); len(batch.Records) != 1 || i == 0 && (!waits || later.RetryAfter != time.Minute) {
			t.Fatalf("read %d: %v, %v", i, batch.Records, err)
		}
		now = now.Add(time.Minute)
	}
}

func TestTheSourceKeepsItsPromises(t *testing.T) {
	root := t.TempDir()
	sourcetest.Run(t, sourcetest.System[*string, *string]{
		New: func(_ testing.TB, place string) source.Source[*string, *string] {
			return csv.New(filepath.Join(root, place), csv.Options[*string, *string]{Columns: format.RecordColumns()})
		},
		Fill: func(tb testing.TB, place string, items []sourcetest.Item) {
			var text strings.Builder
			e := format.CSV[*string, *string]{Columns: format.RecordColumns()}.NewEncoder(&text)
			for _, i := range items {
				r := weir.Record[*string, *string]{Origin: &weir.Origin{}}
				r.Key, r.Value = i.Pointers()
				if err := e.Encode(&r); err != nil {
					tb.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(root, place), []byte(text.String()), 0o644); err != nil {
				tb.Fatal(err)
			}
		},
		Item:    func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
		Bounded: true,
	})
}
