package tdengine_test

import (
	"fmt"
	"os"
	"strconv"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/tdengine"
	"github.com/weirstreams/weir/stream"
)

type reading struct {
	Sensor   string  `json:"sensor"`
	Degrees  float64 `json:"degrees"`
	Messages int     `json:"messages"`
}

func Example() {
	readings := stream.NewTopic("readings", codec.String(), codec.JSON[reading]())
	plant := tdengine.New("https://tdengine.example.com:6041", tdengine.Options[string, reading]{
		Database:    "plant",
		Measurement: "readings",
		Subtable:    func(r *weir.Record[string, reading]) (string, error) { return "sensor_" + r.Value.Sensor, nil },
		Tags:        []string{"sensor"},
		Auth:        tdengine.Basic("writer", secret.New(os.Getenv("TDENGINE_PASSWORD"))),
	})
	t := stream.NewTopology()
	t.From(readings).Sink("tdengine", plant)
	fmt.Println(plant, t.Validate())
	// Output: database plant at https://tdengine.example.com:6041 <nil>
}

// numberPoint makes the whole point of a record.
func numberPoint(r *weir.Record[string, number]) (tdengine.Point, error) {
	return tdengine.Point{
		Measurement: "numbers", Subtable: "of_" + r.Key,
		Tags:   map[string]string{"key": r.Key, "number": strconv.Itoa(int(r.Value))},
		Fields: row.New(row.F("n", int(r.Value))),
	}, nil
}

// A function makes the points, with the supertable, table, tags and fields that it likes.
func ExamplePoint() {
	numbers := stream.NewTopic("numbers", codec.String(), codec.JSON[number]())
	t := stream.NewTopology()
	t.From(numbers).Sink("tdengine", tdengine.New("https://tdengine.example.com:6041", tdengine.Options[string, number]{
		Database: "plant", Point: numberPoint, Auth: tdengine.Token(secret.New(os.Getenv("TDENGINE_TOKEN"))),
	}))
	fmt.Println(t.Validate())
	// Output: <nil>
}
