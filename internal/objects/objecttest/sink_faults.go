package objecttest

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/format/parquet"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/sink/file"
)

type sinkOptions = file.Options[*string, *string]

var unique = regexp.MustCompile(`-[0-9a-f]{12}\b`)

// names returns the visible keys, with UNIQUE for their unique parts.
func names(tb testing.TB, b *objects.Bucket) []string {
	tb.Helper()
	visible, _ := Keys(tb, b)
	for i, n := range visible {
		visible[i] = unique.ReplaceAllString(n, "-UNIQUE")
	}
	return visible
}

// RunSinkFaults checks names of objects, and the records that are left after faults of the store and of other programs.
func RunSinkFaults(t *testing.T, s *Store) {
	t.Helper()
	runFaults(t, s, map[string]func(*testing.T, *Store, string){
		"objects are named by their offsets":                     namedByOffsets,
		"no key of a record leaves its folder":                   noKeyLeaves,
		"Parquet is written and read":                            parquetRoundTrip,
		"prepared objects that somebody deleted are not ignored": deletedObjects,
		"a lost manifest is not ignored":                         deletedManifest,
		"a reader may move objects away":                         movedAway,
		"a call is made again while the store is slow":           madeAgain,
		"work of a preparation that failed is removed":           failedPreparation,
		"a large object is uploaded and copied":                  largeObject,
	})
}

func namedByOffsets(t *testing.T, s *Store, prefix string) {
	o := open(t, s.Sink(prefix, sinkOptions{MaxFileRecords: 2, Suffix: "-x"}))
	if token := o.prepare(); token != nil {
		t.Errorf("a checkpoint without records has the token %s", token)
	}
	for range 3 {
		o.add(new("a"), new("v"))
	}
	o.commit(o.prepare())
	want := []string{
		"orders/3/0000000000000000000-0000000000000000003-0000-UNIQUE-x.jsonl",
		"orders/3/0000000000000000000-0000000000000000003-0001-UNIQUE-x.jsonl",
	}
	if diff := cmp.Diff(want, names(t, s.Bucket(t, prefix))); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// hostile are keys of records that mean something in paths, URLs, headers and queries.
var hostile = []string{
	"../../outside", "..", ".", "/etc/passwd", "a/b", `a\b`, "a//b", ".weir/x", "_hidden", "a?versionId=1&x=y#z", "a%2Fb", "%2e%2e%2f", "a+b c", " ", "a\r\nx-amz-acl: public-read",
	"a\x00b", "é/漢字/🚰", "a=b", "{}[]^`|~<>\"'", "*", "x:y", "a;b,c", strings.Repeat("k", 200), "",
}

func noKeyLeaves(t *testing.T, s *Store, prefix string) {
	outside, _ := Keys(t, s.Bucket(t, ""))
	o := open(t, s.Sink(prefix, sinkOptions{Folder: func(r *weir.Record[*string, *string]) ([]string, error) {
		return []string{file.Hive("k", *r.Key)}, nil
	}}))
	for _, key := range hostile {
		o.add(&key, &key)
	}
	token := o.prepare()
	if prepared := Prepared(t, s.Bucket(t, prefix)); len(prepared) != len(hostile) {
		t.Errorf("%d objects are prepared for %d keys", len(prepared), len(hostile))
	}
	o.commit(token)
	b := s.Bucket(t, prefix)
	visible, _ := Keys(t, b)
	for _, key := range visible {
		if strings.Count(key, "/") != 1 || !strings.HasPrefix(key, "k=") {
			t.Errorf("the key %q is not in a folder of its own", key)
		}
	}
	var got []string
	for _, r := range Records(t, b, format.Format[*string, *string](format.JSONLines[*string, *string]{})) {
		got = append(got, *r.Key)
	}
	want := slices.Clone(hostile)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	now, _ := Keys(t, s.Bucket(t, ""))
	now = slices.DeleteFunc(now, func(key string) bool { return strings.HasPrefix(key, prefix+"/") })
	if !slices.Equal(outside, now) {
		t.Errorf("keys outside of the prefix: %q before, and %q after", outside, now)
	}
}

func parquetRoundTrip(t *testing.T, s *Store, prefix string) {
	f := parquet.Format[*string, *string]{}
	o := open(t, s.Sink(prefix, sinkOptions{Format: f}))
	for range 5000 {
		o.add(new("k"), new(strings.Repeat("value ", 50)))
	}
	o.commit(o.prepare())
	records := Records(t, s.Bucket(t, prefix), format.Format[*string, *string](f))
	if len(records) != 5000 || *records[4999].Value != strings.Repeat("value ", 50) || *records[0].Key != "k" {
		t.Errorf("%d records of 5000 were read", len(records))
	}
}

func deletedObjects(t *testing.T, s *Store, prefix string) {
	o := open(t, s.Sink(prefix, sinkOptions{MaxFileRecords: 1}))
	o.add(new("a"), new("1"))
	o.add(new("a"), new("2"))
	token := o.prepare()
	b := s.Bucket(t, prefix)
	if err := b.Delete(t.Context(), Prepared(t, b)[1]); err != nil {
		t.Fatal(err)
	}
	for what, by := range map[string]*owner[*string, *string]{"its owner": o, "the next owner": open(t, s.Sink(prefix, sinkOptions{}), token)} {
		if err := by.Commit(t.Context(), token); err == nil || !strings.Contains(err.Error(), "are gone") || !strings.Contains(err.Error(), s.Name) {
			t.Errorf("a prepared object is gone, and the commit by %s says %v", what, err)
		}
	}
}

func deletedManifest(t *testing.T, s *Store, prefix string) {
	o := open(t, s.Sink(prefix, sinkOptions{}))
	o.add(new("a"), new("1"))
	token := o.prepare()
	b := s.Bucket(t, prefix)
	_, hidden := Keys(t, b)
	for _, key := range hidden {
		if err := b.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	next := open(t, s.Sink(prefix, sinkOptions{}), token)
	if err := next.Commit(t.Context(), token); err == nil || !strings.Contains(err.Error(), "are gone") {
		t.Errorf("everything that was prepared is gone, and the commit says %v", err)
	}
}

func movedAway(t *testing.T, s *Store, prefix string) {
	o := open(t, s.Sink(prefix, sinkOptions{}))
	o.add(new("a"), new("1"))
	token := o.prepare()
	o.commit(token)
	b := s.Bucket(t, prefix)
	visible, _ := Keys(t, b)
	if err := b.Delete(t.Context(), visible[0]); err != nil {
		t.Fatal(err)
	}
	next := open(t, s.Sink(prefix, sinkOptions{}), token)
	next.commit(token) // the token is still in the state
	if visible, _ := Keys(t, b); len(visible) != 0 {
		t.Errorf("a commit that was repeated has made %q again", visible)
	}
}

func madeAgain(t *testing.T, s *Store, prefix string) {
	o := open(t, s.Sink(prefix, sinkOptions{}))
	o.add(new("a"), new("1"))
	var calls sync.Map
	var slow atomic.Int64
	end := s.Gate.Answer(prefix, func(w http.ResponseWriter, r *http.Request) {
		if _, again := calls.LoadOrStore(r.Method+r.URL.String(), true); !again {
			slow.Add(1)
			s.Slow(w, r)
			return
		}
		s.Gate.Forward(w, r)
	})
	o.commit(o.prepare())
	end()
	if got := names(t, s.Bucket(t, prefix)); len(got) != 1 || slow.Load() < 4 {
		t.Errorf("%d calls were refused at first, and the objects are %q", slow.Load(), got)
	}
	o.add(new("a"), new("2"))
	end = s.Gate.Answer(prefix, s.Slow)
	_, err := o.Prepare(t.Context(), o.checkpoint())
	end()
	if !errors.As(err, new(*weir.RetryLaterError)) || !strings.Contains(err.Error(), s.Name+"/"+prefix) {
		t.Errorf("a store that stays slow makes the error %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	end = s.Gate.Pass(prefix, func(*http.Request) { cancel() })
	_, err = o.Prepare(ended, o.checkpoint())
	end()
	if !errors.Is(err, context.Canceled) || errors.As(err, new(*weir.RetryLaterError)) {
		t.Errorf("the context has ended in the middle, and the error is %v", err)
	}
	o.commit(o.prepare())
	if got := names(t, s.Bucket(t, prefix)); len(got) != 2 {
		t.Errorf("objects %q", got)
	}
}

func failedPreparation(t *testing.T, s *Store, prefix string) {
	o := open(t, s.Sink(prefix, sinkOptions{MaxFileRecords: 1}))
	for range 4 {
		o.add(new("a"), new("1"))
	}
	end := s.Gate.Answer("manifest", s.Slow) // with a slash or %2F in front of it
	_, err := o.Prepare(t.Context(), o.checkpoint())
	end()
	b := s.Bucket(t, prefix)
	if n := len(Prepared(t, b)); err == nil || n != 4 {
		t.Fatalf("%d objects are left of a preparation with the error %v", n, err)
	}
	o.commit(o.prepare())
	if left := Prepared(t, b); len(left) != 0 {
		t.Errorf("objects are left of a preparation that failed: %q", left)
	}
	for range 3 * 4 {
		o.add(new("a"), new("1"))
		o.commit(o.prepare())
	}
	if _, hidden := Keys(t, b); len(hidden) == 0 || len(hidden) > 8 {
		t.Errorf("%d manifests are kept: %q", len(hidden), hidden)
	}
}

func largeObject(t *testing.T, s *Store, prefix string) {
	o := open(t, s.Sink(prefix, sinkOptions{}))
	value := strings.Repeat("0123456789abcdef", 1<<14) // 256 KiB
	const count = 80                                   // 20 MiB: several parts
	for range count {
		o.add(new("a"), &value)
	}
	o.commit(o.prepare())
	records := Records(t, s.Bucket(t, prefix), format.Format[*string, *string](format.JSONLines[*string, *string]{}))
	for i, r := range records {
		if *r.Value != value {
			t.Fatalf("record %d has another value", i)
		}
	}
	if len(records) != count {
		t.Errorf("%d records of %d", len(records), count)
	}
	for !o.Full() { // 64 MiB
		o.add(new("a"), &value)
		if o.to > 2*count+256 {
			t.Fatal("the task holds more than HoldBytes, and asks for no checkpoint")
		}
	}
	o.Discard()
}
