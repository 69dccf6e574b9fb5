package csv_test

import (
	"bufio"
	stdcsv "encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/source/csv"
)

// BenchmarkSource reads 100,000 lines into a struct of a text and a number, beside encoding/csv with strconv, which makes the same records.
func BenchmarkSource(b *testing.B) {
	const records = 100_000
	var text strings.Builder
	text.WriteString("sensor,celsius\n")
	for i := range records {
		fmt.Fprintf(&text, "s%d,%d.5\n", i%100, i%40)
	}
	path := filepath.Join(b.TempDir(), "in.csv")
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	b.Run("bare", func(b *testing.B) {
		for range b.N {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			var batch []weir.Record[string, Reading]
			lines := stdcsv.NewReader(bufio.NewReader(f))
			n := -1 // the header
			for ; ; n++ {
				line, err := lines.Read()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				if n < 0 {
					continue
				}
				celsius, err := strconv.ParseFloat(line[1], 64)
				if err != nil {
					b.Fatal(err)
				}
				if batch = append(batch, weir.Record[string, Reading]{Key: line[0], Value: Reading{line[0], celsius}}); len(batch) == 1000 {
					batch = batch[:0]
				}
			}
			if err := f.Close(); err != nil || n != records {
				b.Fatal(n, err)
			}
		}
		benchtest.PerRecord(b, records)
	})
	b.Run("source", func(b *testing.B) {
		s := csv.New(path, csv.Options[string, Reading]{Key: func(r Reading) (string, error) { return r.Sensor, nil }})
		benchtest.ReadSplit(b, s, records, true)
	})
}
