package file_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func Example() {
	dir, err := os.MkdirTemp("", "orders")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	t := stream.NewTopology()
	t.From(orders).Sink("archive", file.New(dir, file.Options[string, order]{
		Folder: file.ByColumns[string, order]("country"),
		Format: format.JSONLines[string, order]{},
	}))

	err = testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		in := d.Input(orders)
		in.Send("a1", order{"DE", 19.99}, time.UnixMilli(1722945524540))
		in.Send("a2", order{"FR", 5}, time.UnixMilli(1722945524541))
	})
	if err != nil {
		fmt.Println(err)
	}
	show(dir)
	// Output:
	// country=DE/orders-0-FROM-TO.jsonl
	// {"_timestamp":1722945524540,"_key":"a1","_value":{"country":"DE","total":19.99}}
	// country=FR/orders-0-FROM-TO.jsonl
	// {"_timestamp":1722945524541,"_key":"a2","_value":{"country":"FR","total":5}}
}

// show prints the files below a directory that are not hidden. The offsets in their names depend on where the checkpoints lie.
func show(dir string) {
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), dir))
		fmt.Printf("%s/orders-0-FROM-TO.jsonl\n%s", strings.TrimPrefix(folder, "/"), content)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
}

func ExampleOptions() {
	byKey := file.Options[string, order]{Folder: file.ByKey[string, order]("airport")}
	byDay := file.Options[string, order]{
		Folder:       file.ByTime[string, order]("date", time.DateOnly),
		Format:       format.CSV[string, order]{},
		Compression:  format.Gzip,
		MaxFileBytes: 64 << 20,
	}
	fmt.Println(file.New("/data/a", byKey), "and", file.New("/data/b", byDay))
	// Output: files in /data/a and files in /data/b
}
