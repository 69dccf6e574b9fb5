package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

type Order struct {
	ID      string    `json:"id"`
	Country string    `json:"country"`
	At      time.Time `json:"at"`
}

func Example() {
	dir, err := os.MkdirTemp("", "orders")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	lines := `{"id":"a1","country":"DE","at":"2026-01-02T03:04:05Z"}
{"id":"a2","country":"FR","at":"2026-01-02T03:04:06Z"}
`
	if err := os.WriteFile(filepath.Join(dir, "2026-01-02.jsonl"), []byte(lines), 0o644); err != nil {
		fmt.Println(err)
		return
	}

	orders := stream.NewTopic("orders", codec.String(), codec.JSON[Order]())
	t := stream.NewTopology()
	t.FromSource(file.New(dir, file.Options[string, Order]{
		Format: format.JSONLines[string, Order]{Plain: true},
		Key:    func(o Order) (string, error) { return o.ID, nil },
		Time:   func(o Order) (time.Time, error) { return o.At, nil },
	}), orders).Print(stream.PrintOptions{OneLine: true, To: os.Stdout})

	err = testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		fmt.Println(d.ReadSourcesToEnd(), "records")
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"value":{"id":"a1","country":"DE","at":"2026-01-02T03:04:05Z"}}
	// {"value":{"id":"a2","country":"FR","at":"2026-01-02T03:04:06Z"}}
	// 2 records
}
