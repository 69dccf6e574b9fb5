package docs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/sinktest"
)

// lineFiles is a sink in two phases: the records of a checkpoint are a file, which lies in a hidden folder until it is renamed.
type lineFiles struct{ dir string }

func (s lineFiles) Connect(context.Context) error {
	return os.MkdirAll(filepath.Join(s.dir, ".prepared"), 0o755)
}

func (s lineFiles) Close(context.Context) error { return nil }

func (s lineFiles) Writer(context.Context, sink.Task) (sink.Writer[*string, *string], error) {
	return nil, errors.New("the sink has two phases")
}

func (s lineFiles) TwoPhaseWriter(_ context.Context, t sink.Task) (sink.TwoPhaseWriter[*string, *string], error) {
	return &lineWriter{dir: s.dir, prefix: fmt.Sprintf("%s.%s.%s.%d.", t.Application, t.SubTopology, t.Sink, t.Partition)}, nil
}

type lineWriter struct {
	dir, prefix string // prefix begins the names of the task's files
	text        []byte
}

func (w *lineWriter) Add(_ context.Context, r *weir.Record[*string, *string]) error {
	line, err := json.Marshal([]*string{r.Key, r.Value})
	w.text = append(append(w.text, line...), '\n')
	return err
}

func (w *lineWriter) Full() bool   { return len(w.text) > 16<<20 }
func (w *lineWriter) Discard()     { w.text = w.text[:0] }
func (w *lineWriter) Close() error { return nil }

func (w *lineWriter) Prepare(ctx context.Context, c sink.Checkpoint) (token []byte, err error) {
	if len(w.text) == 0 || ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	name := fmt.Sprintf("%s%s.%d", w.prefix, c.Epoch, c.ID)
	f, err := os.Create(filepath.Join(w.dir, ".prepared", name))
	if err != nil {
		return nil, err
	}
	_, err = f.Write(w.text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		w.text = w.text[:0]
	}
	return []byte(name), err
}

func (w *lineWriter) Commit(_ context.Context, token []byte) error {
	visible := filepath.Join(w.dir, string(token))
	err := os.Rename(filepath.Join(w.dir, ".prepared", string(token)), visible)
	if errors.Is(err, fs.ErrNotExist) { // an earlier call has renamed it
		_, err = os.Stat(visible)
	}
	return err
}

func (w *lineWriter) Recover(_ context.Context, epoch string, tokens [][]byte) error {
	files, err := os.ReadDir(filepath.Join(w.dir, ".prepared"))
	for _, f := range files {
		rest, own := strings.CutPrefix(f.Name(), w.prefix)
		owner, _, _ := strings.Cut(rest, ".")
		waits := slices.ContainsFunc(tokens, func(token []byte) bool { return string(token) == f.Name() })
		if own && owner <= epoch && !waits {
			err = errors.Join(err, os.Remove(filepath.Join(w.dir, ".prepared", f.Name())))
		}
	}
	return err
}

func TestTheSinkKeepsItsPromises(t *testing.T) {
	dir := t.TempDir()
	sinktest.Run(t, sinktest.Target[*string, *string]{
		New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
			return lineFiles{filepath.Join(dir, place)}
		},
		Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
		Read: func(tb testing.TB, place string) (items []sinktest.Item) {
			files, err := filepath.Glob(filepath.Join(dir, place, "[^.]*"))
			for _, f := range files {
				data, failed := os.ReadFile(f)
				err = errors.Join(err, failed)
				for line := range strings.Lines(string(data)) {
					var r [2]*string
					err = errors.Join(err, json.Unmarshal([]byte(line), &r))
					items = append(items, sinktest.OfPointers(r[0], r[1]))
				}
			}
			if err != nil {
				tb.Fatal(err)
			}
			return items
		},
		Leftovers: func(_ testing.TB, place string) int {
			files, _ := filepath.Glob(filepath.Join(dir, place, ".prepared", "*"))
			return len(files)
		},
		Records: 20_000,
	})
}
