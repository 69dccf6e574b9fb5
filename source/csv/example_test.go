package csv_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/source/csv"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

type Reading struct {
	Sensor  string  `json:"sensor"`
	Celsius float64 `json:"celsius"`
}

func Example() {
	dir, err := os.MkdirTemp("", "readings")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "readings.csv")
	if err := os.WriteFile(path, []byte("sensor,celsius\ns1,21.5\ns2,17\n"), 0o644); err != nil {
		fmt.Println(err)
		return
	}

	readings := stream.NewTopic("readings", codec.String(), codec.JSON[Reading]())
	t := stream.NewTopology()
	t.FromSource(csv.New(path, csv.Options[string, Reading]{
		Key: func(r Reading) (string, error) { return r.Sensor, nil },
	}), readings).Peek(func(r Reading) { fmt.Println(r.Sensor, r.Celsius) })

	err = testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) { d.ReadSourcesToEnd() })
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// s1 21.5
	// s2 17
}
