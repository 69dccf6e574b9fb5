package objecttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/format/parquet"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
)

type sourceOptions = file.Options[*string, *string]

// plain reads and writes values alone.
var plain = format.JSONLines[*string, *string]{Plain: true}

// RunSourceFaults checks the order of objects, and the records that are left after faults of the store and of other programs.
func RunSourceFaults(t *testing.T, s *Store) {
	t.Helper()
	runFaults(t, s, map[string]func(*testing.T, *Store, string){
		"connections that break are made anew":               brokenConnections,
		"Parquet is read over connections that break":        brokenParquet,
		"an object that was replaced is an error":            replacedObject,
		"a store that refuses is no damaged object":          refusedRead,
		"more objects than a page are read in order":         manyObjects,
		"neighbours of the prefix and marks are passed over": neighbours,
		"every folder is read":                               everyFolder,
		"an object before the position is an error":          lateObject,
	})
}

// reading is the reading of a split.
type reading struct {
	t *testing.T
	source.Reader[*string, *string]
	position []byte
}

// splits connects a source and returns its splits.
func splits(t *testing.T, from source.Source[*string, *string]) []source.Split {
	t.Helper()
	if err := from.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := from.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	found, err := from.Splits(t.Context(), func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func openSplit(t *testing.T, from source.Source[*string, *string], split source.Split, position []byte) *reading {
	t.Helper()
	r, err := from.Open(t.Context(), source.Task{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, split, position)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return &reading{t, r, position}
}

// openFirst connects a source and opens its first split.
func openFirst(t *testing.T, from source.Source[*string, *string], position []byte) *reading {
	t.Helper()
	return openSplit(t, from, splits(t, from)[0], position)
}

// some reads one batch.
func (r *reading) some() (values []string, err error) {
	var batch source.Batch[*string, *string]
	batch.Reset()
	err = r.Read(r.t.Context(), &batch)
	if err != nil && !errors.Is(err, io.EOF) && !errors.As(err, new(*weir.RetryLaterError)) {
		return nil, err
	}
	for _, record := range batch.Records {
		values = append(values, *record.Value)
	}
	if batch.Position != nil {
		r.position = batch.Position
	}
	return values, err
}

// all reads until the end, a wait or an error.
func (r *reading) all() (values []string, err error) {
	for err == nil {
		var more []string
		more, err = r.some()
		values = append(values, more...)
	}
	return values, err
}

// mustAll reads everything.
func (r *reading) mustAll() []string {
	r.t.Helper()
	values, err := r.all()
	if !errors.Is(err, io.EOF) {
		r.t.Fatal(err)
	}
	return values
}

// fill makes an object of values with numbers.
func fill(t *testing.T, b *objects.Bucket, key string, f format.Format[*string, *string], from, to int, tail string) (values []string) {
	t.Helper()
	var records []weir.Record[*string, *string]
	for i := from; i < to; i++ {
		values = append(values, fmt.Sprint(i, tail))
		records = append(records, weir.Record[*string, *string]{Key: new("k"), Value: &values[len(values)-1]})
	}
	Write(t, b, key, f, records...)
	return values
}

func brokenConnections(t *testing.T, s *Store, prefix string) {
	b := s.Bucket(t, prefix)
	want := fill(t, b, "1.jsonl", plain, 0, 20_000, strings.Repeat(" text", 10))
	want = append(want, fill(t, b, "2.jsonl.gz", plain, 20_000, 40_000, strings.Repeat(" text", 10))...)
	r := openFirst(t, s.Source(prefix, sourceOptions{Format: plain}), nil)
	defer s.Gate.Cut(prefix, 100_000)()
	if diff := cmp.Diff(want, r.mustAll()); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func brokenParquet(t *testing.T, s *Store, prefix string) {
	f := parquet.Format[*string, *string]{GroupBytes: 200_000, Compression: parquet.Uncompressed}
	var random strings.Builder
	for i := range 100 {
		fmt.Fprintf(&random, "%x", i*i*7919)
	}
	want := fill(t, s.Bucket(t, prefix), "1.parquet", f, 0, 10_000, random.String())
	r := openFirst(t, s.Source(prefix, sourceOptions{Format: f}), nil)
	cut := 0
	end := s.Gate.Answer(prefix, func(w http.ResponseWriter, q *http.Request) {
		if cut++; cut%2 == 1 {
			s.Gate.ForwardCut(w, q, 50_000)
			return
		}
		s.Gate.Forward(w, q)
	})
	defer end()
	if diff := cmp.Diff(want, r.mustAll()); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if cut < 3 {
		t.Errorf("only %d calls were made", cut)
	}
}

func replacedObject(t *testing.T, s *Store, prefix string) {
	b := s.Bucket(t, prefix)
	fill(t, b, "1.jsonl", plain, 10_000, 50_000, "")
	from := s.Source(prefix, sourceOptions{Format: plain, BatchRecords: 10})
	r := openFirst(t, from, nil)
	if _, err := r.some(); err != nil {
		t.Fatal(err)
	}
	fill(t, b, "1.jsonl", plain, 10_000, 50_000, "") // the same bytes, which some stores take for the same version
	fill(t, b, "1.jsonl", plain, 50_000, 90_000, "") // of the same size
	if _, err := openSplit(t, from, source.Split{ID: "all"}, r.position).all(); !errors.Is(err, format.ErrChanged) || !strings.Contains(err.Error(), "1.jsonl") {
		t.Errorf("a replaced object makes the error %v at the position", err)
	}
	cut := openFirst(t, s.Source(prefix, sourceOptions{Format: plain, BatchRecords: 10}), nil)
	end := s.Gate.Cut(prefix, 100_000)
	defer end()
	if _, err := cut.some(); err != nil {
		t.Fatal(err)
	}
	fill(t, b, "1.jsonl", plain, 10_000, 50_000, "")
	if _, err := cut.all(); !errors.Is(err, format.ErrChanged) {
		t.Errorf("an object that was replaced while the connection was broken makes the error %v", err)
	}
}

func refusedRead(t *testing.T, s *Store, prefix string) {
	b := s.Bucket(t, prefix)
	want := fill(t, b, "1.jsonl", plain, 0, 1000, "")
	want = append(want, fill(t, b, "2.jsonl", plain, 1000, 2000, "")...)
	for what, answer := range map[string]http.HandlerFunc{"is slow": s.Slow, "denies": s.Denied} {
		r := openFirst(t, s.Source(prefix, sourceOptions{Format: plain, BatchRecords: 1000, OnError: func(e *format.Error) error {
			t.Errorf("the policy was asked about %v", e)
			return nil // which would pass over the rest
		}}), nil)
		got, err := r.some()
		if err != nil {
			t.Fatal(err)
		}
		end := s.Gate.Answer(prefix, answer)
		if more, err := r.some(); err == nil || errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "2.jsonl") {
			t.Errorf("the store %s, and the result are %d records and the error %v", what, len(more), err)
		}
		end()
		again := openFirst(t, s.Source(prefix, sourceOptions{Format: plain}), r.position)
		if diff := cmp.Diff(want, append(got, again.mustAll()...)); diff != "" {
			t.Errorf("values (-want +got):\n%s", diff)
		}
	}
}

func manyObjects(t *testing.T, s *Store, prefix string) {
	b := s.Bucket(t, prefix)
	const count = 1100
	var want []string
	for i := range count {
		want = append(want, fmt.Sprint(i))
	}
	err := objects.Each(t.Context(), count, func(_ context.Context, i int) error {
		Put(t, b, fmt.Sprintf("%05d.jsonl", i), fmt.Sprintf("\"%d\"\n", i))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r := openFirst(t, s.Source(prefix, sourceOptions{Format: plain}), nil)
	if diff := cmp.Diff(want, r.mustAll()); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func neighbours(t *testing.T, s *Store, prefix string) {
	b := s.Bucket(t, "")
	for key, content := range map[string]string{
		prefix + "/a-b/1.jsonl": "1", prefix + "/a/1.jsonl": "2", prefix + "/a/2.csv": "no JSON", prefix + "/empty.jsonl": "", prefix + "x/1.jsonl": "100",
		prefix + ".jsonl": "101", prefix + "/_hidden/1.jsonl": "102", prefix + "/.weir/1/0": "103", prefix + "/b/.part.jsonl": "104",
	} {
		if content != "" && content != "no JSON" {
			content = fmt.Sprintf("%q\n", content)
		}
		Put(t, b, key, content)
	}
	if err := markFolder(t, b, prefix+"/a/"); err != nil {
		t.Logf("the store has no marks of folders: %v", err)
	}
	r := openFirst(t, s.Source(prefix, sourceOptions{Format: plain, Pattern: "**/*.jsonl"}), nil)
	if diff := cmp.Diff([]string{"1", "2"}, r.mustAll()); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

// markFolder makes an empty object as consoles make it for a folder.
func markFolder(t *testing.T, b *objects.Bucket, key string) error {
	t.Helper()
	err := b.Upload(t.Context(), key, nil, "application/x-directory")
	if errors.Is(err, fs.ErrPermission) {
		t.Fatal(err)
	}
	return err
}

func everyFolder(t *testing.T, s *Store, prefix string) {
	b := s.Bucket(t, prefix)
	var want []string
	for i, key := range []string{"1.jsonl", "a/1.jsonl", "a/b/1.jsonl", "a b/1.jsonl", "é=%2F+/1.jsonl", "c/1.jsonl"} {
		Put(t, b, key, fmt.Sprintf("\"%d\"\n", i))
		want = append(want, fmt.Sprint(i))
	}
	for _, order := range []file.Order{file.ByFolder, file.Independent} {
		from := s.Source(prefix, sourceOptions{Format: plain, Order: order})
		var got []string
		for _, split := range splits(t, from) {
			got = append(got, openSplit(t, from, split, nil).mustAll()...)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("order %d: values (-want +got):\n%s", order, diff)
		}
	}
}

func lateObject(t *testing.T, s *Store, prefix string) {
	b := s.Bucket(t, prefix)
	fill(t, b, "2.jsonl", plain, 0, 10, "")
	r := openFirst(t, s.Source(prefix, sourceOptions{Format: plain, Watch: true}), nil)
	if values, err := r.all(); len(values) != 10 || !errors.As(err, new(*weir.RetryLaterError)) {
		t.Fatalf("%d values, %v", len(values), err)
	}
	fill(t, b, "1.jsonl", plain, 10, 20, "")
	if _, err := r.all(); !strings.Contains(err.Error(), "1.jsonl has come after") {
		t.Errorf("an object with a key before the position makes the error %v", err)
	}
}
