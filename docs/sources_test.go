package docs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/sourcetest"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// lineSource reads the lines of the files in a folder: a split is a file, and a position the offset of the next line.
type lineSource struct{ dir string }

func (s lineSource) Connect(context.Context) error {
	_, err := os.ReadDir(s.dir)
	return err
}

func (s lineSource) Close(context.Context) error { return nil }

func (s lineSource) Splits(_ context.Context, finished func(id string) bool) ([]source.Split, error) {
	files, err := os.ReadDir(s.dir) // sorted by name
	var splits []source.Split
	for _, f := range files {
		if !finished(f.Name()) {
			splits = append(splits, source.Split{ID: f.Name()})
		}
	}
	return splits, err
}

func (s lineSource) Open(_ context.Context, _ source.Task, split source.Split, position []byte) (source.Reader[string, string], error) {
	f, err := os.Open(filepath.Join(s.dir, split.ID))
	if err != nil {
		return nil, err
	}
	r := &lineReader{file: f, name: split.ID}
	if position != nil {
		if r.offset, err = strconv.ParseInt(string(position), 10, 64); err == nil {
			_, err = f.Seek(r.offset, io.SeekStart)
		}
	}
	r.lines = bufio.NewReader(f)
	return r, err
}

type lineReader struct {
	file   *os.File
	lines  *bufio.Reader
	name   string
	offset int64
}

func (r *lineReader) Read(ctx context.Context, into *source.Batch[string, string]) error {
	for len(into.Records) < 500 && ctx.Err() == nil {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return err // io.EOF: the file is at its end; a line without its end is still being written
		}
		r.offset += int64(len(line))
		into.Bytes += int64(len(line))
		into.Records = append(into.Records, weir.Record[string, string]{Key: r.name, Value: strings.TrimSuffix(line, "\n")})
		into.Position = strconv.AppendInt(nil, r.offset, 10)
	}
	return ctx.Err()
}

func (r *lineReader) Acknowledge(context.Context, []byte) error { return nil }
func (r *lineReader) Close() error                              { return r.file.Close() }

func TestTheSourceKeepsItsPromises(t *testing.T) {
	dir := t.TempDir()
	sourcetest.Run(t, sourcetest.System[string, string]{
		New: func(tb testing.TB, place string) source.Source[string, string] {
			return lineSource{filepath.Join(dir, place)}
		},
		Fill: func(tb testing.TB, place string, items []sourcetest.Item) {
			var text strings.Builder
			for _, i := range items {
				fmt.Fprintf(&text, "%q %q\n", i.Key, i.Value)
			}
			err := os.MkdirAll(filepath.Join(dir, place), 0o755)
			if err := errors.Join(err, os.WriteFile(filepath.Join(dir, place, "lines"), []byte(text.String()), 0o644)); err != nil {
				tb.Fatal(err)
			}
		},
		Item: func(r weir.Record[string, string]) (i sourcetest.Item) {
			_, _ = fmt.Sscanf(r.Value, "%q %q", &i.Key, &i.Value)
			return i
		},
		Bounded: true, NoNullKeys: true, NoNullValues: true,
	})
}

func Example_sources() {
	readings := stream.SourceTopic[string, float64]("weather")
	output := stream.NewTopic("fahrenheit", codec.String(), codec.JSON[float64]())
	t := stream.NewTopology()

	measured := slices.Values([]weir.Record[string, float64]{{Key: "Graz", Value: 20}, {Key: "Linz", Value: 25}})
	temperatures := t.FromSource(source.FromSeq(measured), readings)

	temperatures.Map(func(celsius float64) float64 { return celsius*9/5 + 32 }).To(output)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		fmt.Println(readings.Name(), d.ReadSourcesToEnd())
		fmt.Println(d.Output(output).Values())
	})
	fmt.Println(err)
	// Output:
	// source__weather 2
	// [68 77]
	// <nil>
}

func Example_sourceOfAFunction() {
	beats := stream.SourceTopic[string, time.Time]("beats")
	pages := stream.SourceTopic[string, string]("pages")
	fetch := func(context.Context, int) ([]string, error) { return nil, nil }
	t := stream.NewTopology()

	t.AddSource(source.Ticker(time.Minute, func(_ context.Context, at time.Time) (weir.Record[string, time.Time], error) {
		return weir.Record[string, time.Time]{Key: "beat", Value: at}, nil
	}), beats)

	t.AddSourceWith(source.Options{Name: "pages", RecordsPerSecond: 100, Retry: weir.Retry{Attempts: -1, MaxWait: time.Minute}},
		source.Func(func(ctx context.Context, position []byte, emit source.Emit[string, string]) error {
			page := 0
			if position != nil {
				page, _ = strconv.Atoi(string(position))
			}
			for ; ; page++ {
				items, err := fetch(ctx, page)
				if err != nil || len(items) == 0 {
					return err
				}
				for i, item := range items {
					var behind []byte // the position counts behind the last item of a page alone
					if i == len(items)-1 {
						behind = strconv.AppendInt(nil, int64(page+1), 10)
					}
					if err := emit(weir.Record[string, string]{Key: item, Value: item}, behind); err != nil {
						return err
					}
				}
			}
		}), pages)

	fmt.Println(t.Validate())
	// Output:
	// <nil>
}

func Example_testOfASource() {
	dir, err := os.MkdirTemp("", "lines")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	_ = os.WriteFile(filepath.Join(dir, "a"), []byte("one\ntwo\n"), 0o644)
	lines := stream.NewTopic("lines", codec.String(), codec.String())
	t := stream.NewTopology()
	t.AddSource(lineSource{dir}, lines)
	err = testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.ReadSources(1)
		d.Checkpoint()
		d.Crash(testkit.LoseState)
		d.ReadSourcesToEnd()
		fmt.Println(d.Output(lines).Values(), d.Sources()[0].Slot)
	})
	fmt.Println(err)
	// Output:
	// [one two] 0
	// <nil>
}
