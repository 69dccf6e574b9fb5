package csv_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/csv"
	"github.com/weirstreams/weir/sink/internal/stage"
	"github.com/weirstreams/weir/sink/sinktest"
)

func readAll[K, V any](tb testing.TB, path string) (records []weir.Record[K, V]) {
	tb.Helper()
	err := filetest.DecodePath(path, format.CSV[K, V]{Columns: format.RecordColumns()}, func(r weir.Record[K, V]) { records = append(records, r) })
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		tb.Fatal(err)
	}
	return records
}

func TestTheSinkKeepsItsPromises(t *testing.T) {
	root := t.TempDir()
	sinktest.Run(t, sinktest.Target[*string, *string]{
		New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
			return csv.New(filepath.Join(root, place, "out.csv"), csv.Options[*string, *string]{})
		},
		Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
		Read: func(tb testing.TB, place string) (all []sinktest.Item) {
			for _, r := range readAll[*string, *string](tb, filepath.Join(root, place, "out.csv")) {
				all = append(all, sinktest.OfPointers(r.Key, r.Value))
			}
			return all
		},
		Refused: func() (key, value *string) {
			text := "\xff"
			return &text, &text
		},
		Leftovers: func(tb testing.TB, place string) int {
			files, err := filepath.Glob(filepath.Join(root, place, stage.Root, "*", "*"))
			if err != nil {
				tb.Fatal(err)
			}
			return len(slices.DeleteFunc(files, func(f string) bool {
				info, err := os.Stat(filepath.Join(f, "0"))
				return err != nil || info.Size() == 0
			}))
		},
	})
}

const epoch = "0000000a"

// owner is an owner of a task.
type owner[K, V any] struct {
	t *testing.T
	sink.TwoPhaseWriter[K, V]
	id, offset int64
}

func open[K, V any](t *testing.T, s *csv.Sink[K, V], partition int32) *owner[K, V] {
	t.Helper()
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	w, err := s.TwoPhaseWriter(t.Context(), sink.Task{Application: "app", Sink: "csv", Partition: partition, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Recover(t.Context(), epoch, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return &owner[K, V]{t: t, TwoPhaseWriter: w}
}

func (o *owner[K, V]) add(key K, value V) {
	o.t.Helper()
	r := weir.Record[K, V]{Key: key, Value: value, Millis: 1722945524540, Origin: &weir.Origin{Topic: "numbers", Offset: o.offset}}
	o.offset++
	if err := o.Add(o.t.Context(), &r); err != nil {
		o.t.Fatal(err)
	}
}

func (o *owner[K, V]) prepare() []byte {
	o.t.Helper()
	o.id++
	token, err := o.Prepare(o.t.Context(), sink.Checkpoint{ID: o.id, Epoch: epoch})
	if err != nil {
		o.t.Fatal(err)
	}
	return token
}

func (o *owner[K, V]) commit() error { return o.Commit(o.t.Context(), o.prepare()) }

func text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const header = "key,value,timestamp,topic,partition,offset\r\n"

func TestTheFileHasTheBytesOfTheOriginal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "out.csv")
	o := open(t, csv.New(path, csv.Options[[]byte, row.Row]{}), 0)
	o.add([]byte("afd"), row.New(row.F("number", 0)))
	if err := o.commit(); err != nil {
		t.Fatal(err)
	}
	want := header + "afd,\"{\"\"number\"\":0}\",1722945524540,numbers,0,0\r\n"
	if got := text(t, path); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAnEmptyFileGetsAHeaderAndAFileWithLinesGetsNone(t *testing.T) {
	for before, want := range map[string]string{"": header, header: header, header + "a,b,c,d,e,f": header + "a,b,c,d,e,f\n"} {
		path := filepath.Join(t.TempDir(), "out.csv")
		if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
		o := open(t, csv.New(path, csv.Options[string, int]{}), 0)
		for range 2 {
			o.add("k", 1)
			if err := o.commit(); err != nil {
				t.Fatal(err)
			}
		}
		want += "k,1,1722945524540,numbers,0,0\r\nk,1,1722945524540,numbers,0,1\r\n"
		if got := text(t, path); got != want {
			t.Errorf("with %q before: got\n%swant\n%s", before, got, want)
		}
	}
}

func TestColumnsComeFromFieldsOfTheValue(t *testing.T) {
	type reading struct {
		City string  `json:"city"`
		N    *int    `json:"n"`
		F    float64 `json:"f"`
	}
	path := filepath.Join(t.TempDir(), "out.csv")
	o := open(t, csv.New(path, csv.Options[string, reading]{Dialect: format.Unix(), Columns: append(format.Fields("city", "n", "f"), format.Column{Name: "k", Part: format.PartKey})}), 0)
	o.add("a", reading{City: "Ulm", F: 2})
	if err := o.commit(); err != nil {
		t.Fatal(err)
	}
	if got, want := text(t, path), "\"city\",\"n\",\"f\",\"k\"\n\"Ulm\",,\"2.0\",\"a\"\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTasksAndProcessesShareAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.csv")
	const tasks, rounds = 4, 10
	owners := make([]*owner[string, int], tasks)
	for n := range owners {
		owners[n] = open(t, csv.New(path, csv.Options[string, int]{}), int32(n)) // each a process of its own
	}
	errs := make([]error, tasks)
	var wait sync.WaitGroup
	for n, o := range owners {
		wait.Go(func() {
			for i := range rounds {
				o.add(fmt.Sprint(n), i)
				o.add(fmt.Sprint(n), i)
				if err := o.commit(); err != nil {
					errs[n] = err
				}
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	next := map[string]int{}
	for _, r := range readAll[string, int](t, path) {
		if r.Value != next[r.Key]/2 {
			t.Fatalf("key %s: %d, want %d", r.Key, r.Value, next[r.Key]/2)
		}
		next[r.Key]++
	}
	for n := range tasks {
		if next[fmt.Sprint(n)] != 2*rounds {
			t.Errorf("task %d has %d lines", n, next[fmt.Sprint(n)])
		}
	}
}

// The machine may die in the middle of an append: before, within and behind the lines.
func TestAnAppendThatWasNotFinishedIsTakenBack(t *testing.T) {
	const first, second = "a,1,1722945524540,numbers,0,0\r\n", "b,2,1722945524540,numbers,0,1\r\n"
	for cut := 0; cut <= len(second); cut += 7 {
		path := filepath.Join(t.TempDir(), "out.csv")
		s := csv.New(path, csv.Options[string, int]{})
		o := open(t, s, 0)
		o.add("a", 1)
		if err := o.commit(); err != nil {
			t.Fatal(err)
		}
		o.add("b", 2)
		token := o.prepare()
		// What the commit has done when the machine dies: the ledger, and a part of the lines.
		ledger := fmt.Sprintf(`{"size":%d,"pending":%d,"tasks":{}}`, len(header+first), len(second))
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), stage.Root, "out.csv.ledger"), []byte(ledger), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(header+first+second[:cut]), 0o644); err != nil {
			t.Fatal(err)
		}
		// Another task is the first to commit.
		other := open(t, s, 1)
		other.add("c", 3)
		if err := other.commit(); err != nil {
			t.Fatal(err)
		}
		if err := o.Commit(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		if got, want := text(t, path), header+first+"c,3,1722945524540,numbers,0,0\r\n"+second; got != want {
			t.Errorf("cut at %d: got\n%swant\n%s", cut, got, want)
		}
	}
}

func TestLinesOfOthersStayAndAShortenedFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.csv")
	o := open(t, csv.New(path, csv.Options[string, int]{}), 0)
	commit := func() error {
		o.add("k", 1)
		return o.commit()
	}
	if err := commit(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text(t, path)+"by hand\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := commit(); err != nil {
		t.Fatal(err)
	}
	if got := text(t, path); strings.Count(got, "k,1") != 2 || !strings.Contains(got, "by hand\n") {
		t.Errorf("got\n%s", got)
	}
	if err := os.Truncate(path, 50); err != nil {
		t.Fatal(err)
	}
	if err := commit(); err == nil || !strings.Contains(err.Error(), "shortened") {
		t.Errorf("a shortened file: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := commit(); err != nil || !strings.HasPrefix(text(t, path), header) {
		t.Errorf("a removed file: %v", err)
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.csv")
	if err := os.WriteFile(other, []byte("a,b\n1,2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]*csv.Sink[string, string]{
		"path of the file is missing": csv.New("", csv.Options[string, string]{}),
		`the file begins with "a,b`:   csv.New(other, csv.Options[string, string]{}),
		`two columns "x"`:             csv.New("x", csv.Options[string, string]{Columns: format.Fields("x", "x")}),
		"must not be negative":        csv.New("x", csv.Options[string, string]{HoldBytes: -1}),
	} {
		if err := s.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		if (strings.HasSuffix(want, "is missing") || want == "must not be negative") && !errors.Is(s.Connect(t.Context()), weir.ErrConfiguration) {
			t.Errorf("%q is no error of the configuration", want)
		}
	}
}
