package csv_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/sink/csv"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

type reading struct {
	City    string  `json:"city"`
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

	readings := stream.NewTopic("readings", codec.String(), codec.JSON[reading]())
	t := stream.NewTopology()
	t.From(readings).Sink("look", csv.New(path, csv.Options[string, reading]{
		Dialect: format.Dialect{LF: true},
		Columns: append([]format.Column{{Name: "sensor", Part: format.PartKey}}, format.Fields("city", "celsius")...),
	}))

	err = testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		in := d.Input(readings)
		in.Send("s1", reading{"Ulm", 21}, time.Unix(1, 0))
		in.Send("s2", reading{"Kiel, harbour", 17.5}, time.Unix(2, 0))
	})
	if err != nil {
		fmt.Println(err)
	}
	content, err := os.ReadFile(path)
	fmt.Print(string(content))
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// sensor,city,celsius
	// s1,Ulm,21.0
	// s2,"Kiel, harbour",17.5
}
