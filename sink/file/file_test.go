package file_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/internal/stage"
)

const epoch = "0000000a"

// owner is an owner of a task of a sink.
type owner[K, V any] struct {
	t *testing.T
	sink.TwoPhaseWriter[K, V]
	id, from, to int64
}

func open[K, V any](t *testing.T, s *file.Sink[K, V], tokens ...[]byte) *owner[K, V] {
	t.Helper()
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	w, err := s.TwoPhaseWriter(t.Context(), sink.Task{
		Application: "app", SubTopology: "orders", Sink: "files", Partition: 3, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Recover(t.Context(), epoch, tokens); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return &owner[K, V]{t: t, TwoPhaseWriter: w}
}

// add adds a record that comes of the next offset.
func (o *owner[K, V]) add(key K, value V, millis int64) {
	o.t.Helper()
	if err := o.try(key, value, millis); err != nil {
		o.t.Fatal(err)
	}
}

func (o *owner[K, V]) try(key K, value V, millis int64) error {
	r := weir.Record[K, V]{Key: key, Value: value, Millis: millis, Origin: &weir.Origin{Topic: "orders", Partition: 3, Offset: o.to}}
	o.to++
	return o.Add(o.t.Context(), &r)
}

func (o *owner[K, V]) checkpoint() sink.Checkpoint {
	o.id++
	c := sink.Checkpoint{Epoch: epoch, ID: o.id, Positions: []sink.Position{{Topic: "orders", Partition: 3, From: o.from, To: o.to}}}
	o.from = o.to
	return c
}

func (o *owner[K, V]) prepare() []byte {
	o.t.Helper()
	token, err := o.Prepare(o.t.Context(), o.checkpoint())
	if err != nil {
		o.t.Fatal(err)
	}
	return token
}

func (o *owner[K, V]) commit() {
	o.t.Helper()
	if token := o.prepare(); token != nil {
		if err := o.Commit(o.t.Context(), token); err != nil {
			o.t.Fatal(err)
		}
	}
}

var unique = regexp.MustCompile(`-[0-9a-f]{12}\b`)

// names returns the visible files, with UNIQUE for the unique parts of their names.
func names[K, V any](t *testing.T, dir string, f format.Format[K, V]) []string {
	t.Helper()
	found, _ := filetest.ReadAll(t, dir, f)
	for i, n := range found {
		found[i] = unique.ReplaceAllString(n, "-UNIQUE")
	}
	return found
}

type order struct {
	Country string  `json:"country"`
	Total   float64 `json:"total"`
}

func TestFilesAreNamedByTheirOffsets(t *testing.T) {
	dir := t.TempDir()
	o := open(t, file.New(dir, file.Options[string, order]{MaxFileRecords: 2, Suffix: "-x"}))
	o.commit() // nothing to write
	for range 3 {
		o.add("a", order{"DE", 1}, 5)
	}
	o.commit()
	o.add("b", order{"FR", 2}, 5)
	o.commit()
	want := []string{
		"orders/3/0000000000000000000-0000000000000000003-0000-UNIQUE-x.jsonl", "orders/3/0000000000000000000-0000000000000000003-0001-UNIQUE-x.jsonl",
		"orders/3/0000000000000000003-0000000000000000004-0000-UNIQUE-x.jsonl",
	}
	if diff := cmp.Diff(want, names(t, dir, format.JSONLines[string, order]{})); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	text, err := filepath.Glob(filepath.Join(dir, "orders/3/*3-*4-0000-*"))
	if err != nil || len(text) != 1 {
		t.Fatal(text, err)
	}
	if got, err := os.ReadFile(text[0]); err != nil || string(got) != `{"_timestamp":5,"_key":"b","_value":{"country":"FR","total":2}}`+"\n" {
		t.Errorf("got %s, %v", got, err)
	}
}

// Two checkpoints that only timers have filled cover no offsets. One must not take the place of the other.
func TestCheckpointsWithoutInputHaveFilesOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	o := open(t, file.New(dir, file.Options[string, order]{}))
	for range 2 {
		o.add("a", order{}, 5)
		o.to, o.from = 7, 7
		o.commit()
	}
	if got := names(t, dir, format.JSONLines[string, order]{}); len(got) != 2 {
		t.Errorf("files: %q", got)
	}
}

func TestFoldersComeFromKeyTimeAndColumns(t *testing.T) {
	for want, folder := range map[string]func(*weir.Record[string, order]) ([]string, error){
		"airport=..%2F..%2Fetc/": file.ByKey[string, order]("airport"),
		"hour=2026-01-02-03/":    file.ByTime[string, order]("hour", "2006-01-02-15"),
		"country=DE%3D%2F%00/total=1.5/more=__HIVE_DEFAULT_PARTITION__/": file.ByColumns[string, order]("country", "total", "more"),
		"plain/%2E%2E/": func(*weir.Record[string, order]) ([]string, error) { return []string{"plain", ".."}, nil },
		"":              func(*weir.Record[string, order]) ([]string, error) { return nil, nil },
	} {
		root := t.TempDir()
		dir := filepath.Join(root, "a", "b", "c")
		o := open(t, file.New(dir, file.Options[string, order]{Folder: folder}))
		o.add("../../etc", order{"DE=/\x00", 1.5}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixMilli())
		o.commit()
		want = strings.Replace(want, "=..%2F", "=%2E.%2F", 1)
		got := names(t, dir, format.JSONLines[string, order]{})
		if diff := cmp.Diff([]string{want + "orders-3-0000000000000000000-0000000000000000001-0000-UNIQUE.jsonl"}, got); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		all, _ := filepath.Glob(filepath.Join(root, "*"))
		if len(all) != 1 {
			t.Errorf("something is outside of the directory: %q", all)
		}
	}
}

func TestARecordThatCannotBeWrittenIsAnErrorOfItself(t *testing.T) {
	dir := t.TempDir()
	options := file.Options[string, order]{Folder: file.ByColumns[string, order]("country"), Compression: format.Zstd}
	o := open(t, file.New(dir, options))
	o.add("a", order{"DE", 1}, 5)
	for _, bad := range []order{{"DE", math.NaN()}, {strings.Repeat("x", 300), 1}, {"\xff", 1}} {
		if err := o.try("b", bad, 5); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	o.add("c", order{"DE", 2}, 5)
	o.commit()
	_, records := filetest.ReadAll(t, dir, format.JSONLines[string, order]{})
	var keys []string
	for _, r := range records {
		keys = append(keys, r.Key)
	}
	if !slices.Equal(keys, []string{"a", "c"}) {
		t.Errorf("keys %q", keys)
	}
}

func TestRecordsWithOtherColumnsGoToAnotherFile(t *testing.T) {
	dir := t.TempDir()
	csv := format.CSV[string, row.Row]{}
	o := open(t, file.New(dir, file.Options[string, row.Row]{Format: csv}))
	for _, text := range []string{`{"a":1}`, `{"a":2,"b":3}`, `{"b":4}`} {
		r, err := row.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		o.add("k", r, 5)
	}
	o.commit()
	found, records := filetest.ReadAll(t, dir, csv)
	if len(found) != 2 || len(records) != 3 {
		t.Errorf("files %q, %d records", found, len(records))
	}
}

func TestATaskHasFewFilesOpenAndLosesNothing(t *testing.T) {
	dir := t.TempDir()
	o := open(t, file.New(dir, file.Options[int, int]{OpenFiles: 2, Folder: file.ByKey[int, int]("k"), Compression: format.Gzip}))
	const keys, rounds = 5, 4
	for i := range rounds {
		for k := range keys {
			o.add(k, i, 5)
		}
	}
	o.commit()
	found, records := filetest.ReadAll(t, dir, format.JSONLines[int, int]{})
	if len(found) != keys*rounds || len(records) != keys*rounds {
		t.Errorf("%d files, %d records", len(found), len(records))
	}
}

func TestATaskAsksForACheckpointWhenItHoldsMuch(t *testing.T) {
	now := time.Unix(0, 0)
	s := file.New(t.TempDir(), file.Options[string, string]{HoldBytes: 1000, MaxAge: time.Second})
	w, err := s.TwoPhaseWriter(t.Context(), sink.Task{Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r := weir.Record[string, string]{Value: "x", Origin: &weir.Origin{Topic: "t"}}
	add := func() {
		if err := w.Add(t.Context(), &r); err != nil {
			t.Fatal(err)
		}
	}
	add()
	if w.Full() {
		t.Error("full with one record")
	}
	now = now.Add(time.Second)
	if !w.Full() {
		t.Error("a record waits for too long")
	}
	w.Discard()
	r.Value = strings.Repeat("x", 1000)
	if add(); !w.Full() {
		t.Error("not full with more than HoldBytes")
	}
}

func TestAFileOfOthersIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	o := open(t, file.New(dir, file.Options[string, string]{}))
	o.add("a", "x", 5)
	token := o.prepare()
	manifest, err := filepath.Glob(filepath.Join(dir, stage.Root, "*", "*", "manifest"))
	if err != nil || len(manifest) != 1 {
		t.Fatal(manifest, err)
	}
	data, err := os.ReadFile(manifest[0])
	if err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(dir, strings.Trim(string(data), `["]`))
	if err := errors.Join(os.MkdirAll(filepath.Dir(taken), 0o755), os.WriteFile(taken, []byte("mine"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(t.Context(), token); err == nil || !strings.Contains(err.Error(), "is not of this sink") {
		t.Errorf("commit: %v", err)
	}
	if got, _ := os.ReadFile(taken); string(got) != "mine" {
		t.Errorf("the file is now %q", got)
	}
}

func TestAFileOfTheSameOffsetsIsReplacedIfTheOptionSaysSo(t *testing.T) {
	dir := t.TempDir()
	for _, value := range []string{"first", "second"} {
		o := open(t, file.New(dir, file.Options[string, string]{Replace: true}))
		o.add("a", value, 5)
		o.commit()
	}
	found, records := filetest.ReadAll(t, dir, format.JSONLines[string, string]{})
	if diff := cmp.Diff([]string{"orders/3/0000000000000000000-0000000000000000001-0000.jsonl"}, found); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if len(records) != 1 || records[0].Value != "second" {
		t.Errorf("records %+v", records)
	}
}

// Readers of a spool directory move files away as soon as they see them.
func TestATokenIsCommittedAgainAfterAReaderHasMovedTheFile(t *testing.T) {
	dir := t.TempDir()
	s := file.New(dir, file.Options[string, string]{})
	o := open(t, s)
	o.add("a", "x", 5)
	token := o.prepare()
	if err := o.Commit(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "orders")); err != nil {
		t.Fatal(err)
	}
	// The process has crashed before it took the token out of the state.
	if err := open(t, s, token).Commit(t.Context(), token); err != nil {
		t.Error(err)
	}
	if got := names(t, dir, format.JSONLines[string, string]{}); len(got) != 0 {
		t.Errorf("files: %q", got)
	}
}

func TestACommitOfWorkOnAnotherMachineFails(t *testing.T) {
	o := open(t, file.New(t.TempDir(), file.Options[string, string]{}))
	o.add("a", "x", 5)
	token := o.prepare()
	elsewhere := open(t, file.New(t.TempDir(), file.Options[string, string]{}))
	err := elsewhere.Commit(t.Context(), token)
	if !errors.Is(err, stage.ErrElsewhere) || !strings.Contains(err.Error(), "orders/3/0000000000000000000") {
		t.Errorf("commit: %v", err)
	}
	if err := elsewhere.Commit(t.Context(), []byte("{}")); err == nil {
		t.Error("a token of something else is taken")
	}
}

func TestACommitThatWasInterruptedIsFinished(t *testing.T) {
	dir := t.TempDir()
	o := open(t, file.New(dir, file.Options[string, string]{Folder: file.ByKey[string, string]("k")}))
	for k := range 3 {
		o.add(fmt.Sprint(k), "x", 5)
	}
	token := o.prepare()
	// Three files: the context ends after the first.
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	interrupted := errAfter{ctx, func() bool { calls++; return calls > 1 }, cancel}
	if err := o.Commit(interrupted, token); !errors.Is(err, context.Canceled) {
		t.Fatalf("commit: %v", err)
	}
	if got := names(t, dir, format.JSONLines[string, string]{}); len(got) != 1 {
		t.Fatalf("files after the first try: %q", got)
	}
	if err := o.Commit(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir, format.JSONLines[string, string]{}); len(got) != 3 {
		t.Errorf("files: %q", got)
	}
}

// errAfter is a context that ends at some call of Err.
type errAfter struct {
	context.Context
	ended  func() bool
	cancel func()
}

func (c errAfter) Err() error {
	if c.ended() {
		c.cancel()
	}
	return c.Context.Err()
}

func TestOldFoldersOfCheckpointsGo(t *testing.T) {
	dir := t.TempDir()
	o := open(t, file.New(dir, file.Options[string, string]{}))
	for range 30 {
		o.add("a", "x", 5)
		o.commit()
	}
	left, err := filepath.Glob(filepath.Join(dir, stage.Root, "*", "*"))
	if err != nil || len(left) > 10 {
		t.Errorf("%d entries are left, %v", len(left), err)
	}
}

// compressing is a format that compresses within, as Parquet does.
type compressing struct {
	format.JSONLines[string, string]
}

func (compressing) CompressedWithin() string { return "Within.Level" }

func TestConnectSaysWhatIsWrong(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]*file.Sink[string, string]{
		"directory is missing":  file.New("", file.Options[string, string]{}),
		"is no folder":          file.New(filepath.Join(blocked, "x"), file.Options[string, string]{}),
		"unknown compression 7": file.New("x", file.Options[string, string]{Compression: 7}),
		"must not be negative":  file.New("x", file.Options[string, string]{OpenFiles: -1}),
		`suffix "/../x"`:        file.New("x", file.Options[string, string]{Suffix: "/../x"}),
		"use Within.Level":      file.New("x", file.Options[string, string]{Format: compressing{}, Compression: format.Gzip}),
		"need Columns":          file.New("x", file.Options[string, string]{Format: format.CSV[string, string]{NoHeader: true}}),
	} {
		if err := s.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		if (strings.HasSuffix(want, "is missing") || want == "must not be negative") && !errors.Is(s.Connect(t.Context()), weir.ErrConfiguration) {
			t.Errorf("%q is no error of the configuration", want)
		}
	}
}
