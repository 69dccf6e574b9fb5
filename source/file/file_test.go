package file_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
)

// clock is a clock that a test moves.
type clock struct{ now time.Time }

// open opens the first split of a source behind a position.
func open[K, V any](t *testing.T, s *file.Source[K, V], position []byte, clocks ...*clock) source.Reader[K, V] {
	t.Helper()
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	splits, err := s.Splits(t.Context(), func(string) bool { return false })
	if err != nil || len(splits) == 0 {
		t.Fatal(splits, err)
	}
	now := time.Now
	if len(clocks) > 0 {
		now = func() time.Time { return clocks[0].now }
	}
	r, err := s.Open(t.Context(), source.Task{Now: now, Logger: slog.New(slog.DiscardHandler)}, splits[0], position)
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

// read reads values until the end, a wait or an error, and returns the last position.
func read[K, V any](t *testing.T, r source.Reader[K, V]) (values []V, position []byte, err error) {
	t.Helper()
	for {
		var batch source.Batch[K, V]
		batch.Reset()
		err := r.Read(t.Context(), &batch)
		later := errors.As(err, new(*weir.RetryLaterError))
		if err == nil || later || errors.Is(err, io.EOF) {
			for _, r := range batch.Records {
				values = append(values, r.Value)
			}
			if batch.Position != nil {
				position = batch.Position
			}
		}
		if err != nil {
			return values, position, err
		}
	}
}

func plain(n ...int) string {
	var b strings.Builder
	for _, v := range n {
		fmt.Fprintln(&b, v)
	}
	return b.String()
}

type options = file.Options[string, int]

var lines = format.JSONLines[string, int]{Plain: true}

func TestWhatTheSinkOfTheOriginalWritesIsRead(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "0", "0000000000000000003.jsonl"), `{"_timestamp":1,"_key":"a","_value":{"x":1}}`+"\n"+`{"_timestamp":2,"_key":"b","_value":{"y":"é"}}`+"\n")
	r := open(t, file.New(dir, file.Options[string, row.Row]{}), nil)
	var batch source.Batch[string, row.Row]
	if err := r.Read(t.Context(), &batch); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	want := []string{`a 1 {"x":1}`, `b 2 {"y":"é"}`}
	for i, record := range batch.Records {
		if got := fmt.Sprint(record.Key, " ", record.Millis, " ", record.Value); got != want[i] {
			t.Errorf("record %d: %s, want %s", i, got, want[i])
		}
	}
	if len(batch.Records) != len(want) || batch.Behind != 0 || batch.Bytes == 0 {
		t.Errorf("%d records, %d bytes, %d behind", len(batch.Records), batch.Bytes, batch.Behind)
	}
}

func TestFilesAreReadInOrderAndHiddenOnesAreNot(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"a/x.jsonl", "a/y/1.jsonl", "a/z.jsonl.gz", "a-b/1.jsonl", "b.jsonl"} {
		write(t, filepath.Join(dir, name), format.Format[string, int](lines), weir.Record[string, int]{Value: i})
	}
	put(t, filepath.Join(dir, ".weir", "x.jsonl"), plain(100))
	put(t, filepath.Join(dir, "a", "_hidden.jsonl"), plain(101))
	put(t, filepath.Join(dir, "c.txt"), "no JSON")
	got, _, err := read(t, open(t, file.New(dir, options{Format: lines, Pattern: "**/*.json*"}), nil))
	if diff := cmp.Diff([]int{0, 1, 2, 3, 4}, got); diff != "" || !errors.Is(err, io.EOF) {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	got, _, _ = read(t, open(t, file.New(dir, options{Format: lines, Pattern: "a/*.jsonl"}), nil))
	if diff := cmp.Diff([]int{0}, got); diff != "" {
		t.Errorf("pattern without folders (-want +got):\n%s", diff)
	}
	got, _, _ = read(t, open(t, file.New(filepath.Join(dir, "b.jsonl"), options{Format: lines}), nil))
	if diff := cmp.Diff([]int{4}, got); diff != "" {
		t.Errorf("a single file (-want +got):\n%s", diff)
	}
}

func TestKeyAndTimeComeFromTheValue(t *testing.T) {
	type order struct {
		ID string    `json:"id"`
		At time.Time `json:"at"`
	}
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	put(t, path, `{"id":"a","at":"2026-01-02T03:04:05Z"}`+"\n"+`{"id":"","at":"2026-01-02T03:04:05Z"}`)
	s := file.New(path, file.Options[string, order]{
		Format: format.JSONLines[string, order]{Plain: true},
		Key: func(o order) (string, error) {
			if o.ID == "" {
				return "", errors.New("no id")
			}
			return o.ID, nil
		},
		Time:    func(o order) (time.Time, error) { return o.At, nil },
		OnError: func(err *format.Error) error { return fmt.Errorf("refused: %w", err) },
	})
	r := open(t, s, nil)
	var batch source.Batch[string, order]
	err := r.Read(t.Context(), &batch)
	if err == nil || !strings.Contains(err.Error(), "line 2: key: no id") {
		t.Errorf("got %v", err)
	}
	if len(batch.Records) != 1 || batch.Records[0].Key != "a" || batch.Records[0].KeyNull || batch.Records[0].Millis != 1767323045000 {
		t.Errorf("got %+v", batch.Records)
	}
}

func TestAFileThatChangesIsAnErrorThatNamesTheLine(t *testing.T) {
	for name, c := range map[string]struct {
		change func(path string) error
		want   string
	}{
		"longer while it is read": {func(path string) error { return os.WriteFile(path, []byte(plain(1, 2, 3, 4)+plain(5)), 0o644) }, "had 8 bytes at first, and has 10 now"},
		"shorter":                 {func(path string) error { return os.Truncate(path, 3) }, "a.jsonl, line 3"},
		"other lines":             {func(path string) error { return os.WriteFile(path, []byte(plain(1, 9, 3, 4)), 0o644) }, "a.jsonl, line 3"},
		"gone":                    {os.Remove, "is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a.jsonl")
			put(t, path, plain(1, 2, 3, 4))
			s := file.New(dir, options{Format: lines, BatchRecords: 2})
			first := open(t, s, nil)
			var batch source.Batch[string, int]
			if err := first.Read(t.Context(), &batch); err != nil {
				t.Fatal(err)
			}
			if err := c.change(path); err != nil {
				t.Fatal(err)
			}
			var err error
			if strings.Contains(name, "while") {
				_, _, err = read(t, first)
			} else {
				var r source.Reader[string, int]
				r, err = s.Open(t.Context(), source.Task{Now: time.Now}, source.Split{ID: "all"}, batch.Position)
				if err == nil {
					_, _, err = read(t, r)
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if name != "gone" && !errors.Is(err, format.ErrChanged) {
				t.Errorf("not ErrChanged: %v", err)
			}
		})
	}
}

func TestThePolicyPassesOverRecordsAndTheRestOfFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a.jsonl"), "1\nx\n3\n")
	var whole bytes.Buffer
	z := gzip.NewWriter(&whole)
	if _, err := z.Write([]byte(strings.Repeat(plain(4), 10_000))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "b.jsonl.gz"), whole.String()[:whole.Len()-12])
	put(t, filepath.Join(dir, "c.jsonl.gz"), "no gzip")
	put(t, filepath.Join(dir, "d.jsonl.gz"), "")
	put(t, filepath.Join(dir, "e.jsonl"), "5")
	if _, _, err := read(t, open(t, file.New(dir, options{Format: lines}), nil)); err == nil || !strings.Contains(err.Error(), "a.jsonl, line 2: ") {
		t.Errorf("without a policy: %v", err)
	}
	var errs []string
	s := file.New(dir, options{Format: lines, OnError: func(err *format.Error) error {
		errs = append(errs, fmt.Sprint(filepath.Base(err.File), " ", err.Rest, " ", err.Record > 100))
		return nil
	}})
	got, _, err := read(t, open(t, s, nil))
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if n := len(got); n < 3 || got[0] != 1 || got[1] != 3 || got[n-1] != 5 {
		t.Errorf("got %d values", n)
	}
	if diff := cmp.Diff([]string{"a.jsonl false false", "b.jsonl.gz true true", "c.jsonl.gz true false"}, errs); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

func TestAReplayWaitsAsTheRecordsDid(t *testing.T) {
	dir := t.TempDir()
	f := format.JSONLines[string, int]{}
	at := func(v int, millis int64) weir.Record[string, int] {
		return weir.Record[string, int]{Value: v, Millis: millis}
	}
	write(t, filepath.Join(dir, "1.jsonl"), format.Format[string, int](f), at(1, 1000), at(2, 1000), at(3, 3000))
	write(t, filepath.Join(dir, "2.jsonl"), format.Format[string, int](f), at(4, 2000), at(5, 3000), at(6, 100_000_000), at(7, 100_000_005))
	c := &clock{time.Unix(5000, 0)}
	s := file.New(dir, options{Speed: 2, MaxWait: 10 * time.Second})
	r := open(t, s, nil, c)
	for _, step := range []struct {
		want []int
		wait time.Duration
	}{{[]int{1, 2}, time.Second}, {[]int{3, 4}, 500 * time.Millisecond}, {[]int{5}, 10 * time.Second}} {
		got, position, err := read(t, r)
		later, ok := errors.AsType[*weir.RetryLaterError](err)
		if !ok || later.RetryAfter != step.wait || !cmp.Equal(step.want, got) {
			t.Fatalf("got %v, %v; want %+v", got, err, step)
		}
		// A reader that begins behind the position goes on with the record that has waited, at once.
		if rest, _, _ := read(t, open(t, s, position, c)); len(rest) == 0 || rest[0] != step.want[len(step.want)-1]+1 {
			t.Errorf("behind %s: %v", position, rest)
		}
		if again, _, err := read(t, r); len(again) != 0 || !errors.As(err, new(*weir.RetryLaterError)) {
			t.Errorf("too early: %v, %v", again, err)
		}
		c.now = c.now.Add(step.wait)
	}
	if got, _, err := read(t, r); !cmp.Equal([]int{6, 7}, got) || !errors.Is(err, io.EOF) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAWatchedFolderGoesOnWithNewFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "2.jsonl"), plain(1))
	c := &clock{time.Now()}
	s := file.New(dir, options{Format: lines, Watch: true, WatchInterval: 3 * time.Second, MinAge: time.Hour})
	r := open(t, s, nil, c)
	if got, _, _ := read(t, r); len(got) != 0 {
		t.Errorf("a young file is read: %v", got)
	}
	c.now = c.now.Add(2 * time.Hour)
	got, position, err := read(t, r)
	later, _ := errors.AsType[*weir.RetryLaterError](err)
	if !cmp.Equal([]int{1}, got) || later == nil || later.RetryAfter != 3*time.Second {
		t.Fatalf("got %v, %v", got, err)
	}
	put(t, filepath.Join(dir, "3", "1.jsonl"), plain(2))
	if got, _, _ = read(t, r); !cmp.Equal([]int{2}, got) {
		t.Errorf("got %v", got)
	}
	if got, _, _ = read(t, open(t, s, position, c)); !cmp.Equal([]int{2}, got) {
		t.Errorf("behind the first file: %v", got)
	}
	put(t, filepath.Join(dir, "1.jsonl"), plain(3))
	if _, _, err := read(t, r); err == nil || !strings.Contains(err.Error(), "1.jsonl has come after") {
		t.Errorf("a file that would be passed over: %v", err)
	}
}

func TestPositionsAreSmall(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a.jsonl"), plain(1, 2, 3))
	_, position, _ := read(t, open(t, file.New(dir, options{Format: lines}), nil))
	if len(position) > 100 || !json.Valid(position) {
		t.Errorf("position %s", position)
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	single := filepath.Join(dir, "x")
	put(t, single, "")
	for want, s := range map[string]*file.Source[string, int]{
		"path is missing":      file.New("", options{}),
		"no such file":         file.New(filepath.Join(dir, "y"), options{}),
		"Watch needs a folder": file.New(single, options{Watch: true}),
		"MinAge needs Watch":   file.New(dir, options{MinAge: 1}),
		"not both":             file.New(dir, options{Speed: 1, Delay: 1}),
		"must not be negative": file.New(dir, options{BatchRecords: -1}),
		"pattern":              file.New(dir, options{Pattern: "["}),
		"unknown order":        file.New(dir, options{Order: 7}),
	} {
		if err := s.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		if (strings.HasSuffix(want, "is missing") || want == "must not be negative") && !errors.Is(s.Connect(t.Context()), weir.ErrConfiguration) {
			t.Errorf("%q is no error of the configuration", want)
		}
	}
}

// Whatever is in the files: from each position the rest is read, exactly.
func FuzzResumeInFolder(f *testing.F) {
	f.Add("1\n2", "x\n3\n", true)
	f.Add("", "\n\n1", false)
	f.Fuzz(func(t *testing.T, first, second string, compressed bool) {
		if len(first)+len(second) > 500 {
			return
		}
		dir := t.TempDir()
		put(t, filepath.Join(dir, "1.jsonl"), first)
		name := "2.jsonl"
		if compressed {
			var whole bytes.Buffer
			z := gzip.NewWriter(&whole)
			_, err := z.Write([]byte(second))
			if err := errors.Join(err, z.Close()); err != nil {
				t.Fatal(err)
			}
			second, name = whole.String(), "2.jsonl.gz"
		}
		put(t, filepath.Join(dir, name), second)
		s := file.New(dir, options{Format: lines, BatchRecords: 1, OnError: func(*format.Error) error { return nil }})
		all, _, err := read(t, open(t, s, nil))
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		r := open(t, s, nil)
		for n := 0; ; {
			var batch source.Batch[string, int]
			err := r.Read(t.Context(), &batch)
			if n += len(batch.Records); batch.Position != nil {
				rest, _, restErr := read(t, open(t, s, batch.Position))
				if diff := cmp.Diff(all[n:], rest); len(rest)+len(all[n:]) > 0 && diff != "" || !errors.Is(restErr, io.EOF) {
					t.Fatalf("behind %s: %v (-want +got):\n%s", batch.Position, restErr, diff)
				}
			}
			if err != nil {
				return
			}
		}
	})
}
