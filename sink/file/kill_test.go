package file_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/sink/csv"
	"github.com/weirstreams/weir/sink/file"
	sourcecsv "github.com/weirstreams/weir/source/csv"
	sources "github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/stream"
)

// member is a process that brings files by a topic into files and into a CSV file, and a CSV file by another topic into files.
type member struct {
	killtest.Member
	Topic, Lines, In, Out string
}

func TestMain(m *testing.M) { killtest.Main(m.Run, (*member).run) }

func (c *member) run() error {
	topic := stream.NewTopic(c.Topic, codec.String(), codec.Int())
	t := stream.NewTopology()
	read := t.FromSource(sources.New(c.In, sources.Options[string, int]{Order: sources.ByFolder, Pattern: "**/*.jsonl", BatchRecords: 5, Delay: time.Millisecond}), topic)
	read.Sink("archive", file.New(filepath.Join(c.Out, "files"), file.Options[string, int]{Compression: format.Zstd, MaxFileRecords: 20}))
	read.Sink("look", csv.New(filepath.Join(c.Out, "out.csv"), csv.Options[string, int]{}))
	lines := t.FromSource(sourcecsv.New(filepath.Join(c.In, "in.csv"), sourcecsv.Options[string, int]{
		Columns: []format.Column{{Name: "key", Part: format.PartKey}, {Name: "n", Part: format.PartValue}}, Delay: time.Millisecond,
	}), stream.NewTopic(c.Lines, codec.String(), codec.Int()))
	lines.Sink("archive of lines", file.New(filepath.Join(c.Out, "lines"), file.Options[string, int]{}))
	return c.Run(t)
}

// Whatever is killed, and whenever: each record of the files that were read is in one file, and has one line of the CSV file. Each line of the CSV file
// that was read is in one file too.
func TestKilledMembersWriteEachRecordOnce(t *testing.T) {
	k := kafkatest.Start(t)
	kills := longtest.Cases(2, 20)
	root := t.TempDir()
	in := filepath.Join(root, "in")
	want := map[string]int{}
	wantLines := map[string]int{}
	text := []byte("key,n\n")
	for i := range 120 * kills {
		key := fmt.Sprint("line-", i)
		wantLines[key] = 1
		text = fmt.Appendf(text, "%s,%d\n", key, i)
	}
	for f := range 4 {
		var content bytes.Buffer
		e := format.JSONLines[string, int]{}.NewEncoder(&content)
		for i := range 120 * kills {
			key := fmt.Sprint(f, "-", i)
			want[key] = 1
			if err := e.Encode(&weir.Record[string, int]{Key: key, Value: i, Millis: 1767225600000}); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(in, fmt.Sprint(f), "1.jsonl")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(in, "in.csv"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	c := member{
		Member: killtest.Member{Brokers: k.Brokers, Group: k.Name("group"), Guarantee: runtime.ExactlyOnce, Interval: 50 * time.Millisecond},
		Topic:  k.Topic(t, "raw", 4), Lines: k.Topic(t, "lines", 1), In: in, Out: filepath.Join(root, "out"),
	}
	counts := func(folder string) map[string]int {
		_, records := filetest.ReadAll(t, filepath.Join(c.Out, folder), format.JSONLines[string, int]{})
		counts := map[string]int{}
		for _, r := range records {
			counts[r.Key]++
		}
		return counts
	}
	lines := func() map[string]int {
		lines := map[string]int{}
		data, err := os.ReadFile(filepath.Join(c.Out, "out.csv"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			if bytes.HasSuffix(line, []byte("\n")) { // it is whole
				key, _, _ := bytes.Cut(line, []byte(","))
				lines[string(key)]++
			}
		}
		delete(lines, "key")
		return lines
	}
	killtest.Run(t, c, killtest.Plan{
		Processes: 2, Kills: kills, Total: len(want) + len(wantLines), Step: 50,
		Progress: func() int { return min(len(counts("files")), len(lines())) + len(counts("lines")) },
	})
	for name, got := range map[string]map[string]int{"files": counts("files"), "CSV file": lines(), "files of lines": counts("lines")} {
		want := want
		if name == "files of lines" {
			want = wantLines
		}
		wrong := 0
		for key, n := range got {
			if n != want[key] {
				wrong++
			}
		}
		if wrong > 0 || len(got) != len(want) {
			t.Errorf("%s: %d of %d records are there, %d of them more than once", name, len(got), len(want), wrong)
		}
	}
}
