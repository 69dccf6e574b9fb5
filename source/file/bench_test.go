package file_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/source/file"
)

// BenchmarkSource reads 100,000 lines of JSON with key, time and value, beside a bufio.Scanner with encoding/json.
func BenchmarkSource(b *testing.B) {
	const records = 100_000
	var text bytes.Buffer
	for i := range records {
		fmt.Fprintf(&text, `{"_key":"a%d","_value":{"Country":"DE","Price":19.99},"_timestamp":%d}`+"\n", i%100, 1722945524540+i)
	}
	path := filepath.Join(b.TempDir(), "in.jsonl")
	if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
		b.Fatal(err)
	}
	type price struct {
		Country string
		Price   float64
	}
	b.Run("bare", func(b *testing.B) {
		for range b.N {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for lines := bufio.NewScanner(f); lines.Scan(); n++ {
				var r struct {
					Key   string `json:"_key"`
					Value price  `json:"_value"`
					Time  int64  `json:"_timestamp"`
				}
				if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
					b.Fatal(err)
				}
			}
			if err := f.Close(); err != nil || n != records {
				b.Fatal(n, err)
			}
		}
		benchtest.PerRecord(b, records)
	})
	b.Run("source", func(b *testing.B) {
		s := file.New(path, file.Options[string, price]{Format: format.JSONLines[string, price]{}})
		benchtest.ReadSplit(b, s, records, true)
	})
}
