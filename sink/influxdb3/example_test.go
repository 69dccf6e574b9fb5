package influxdb3_test

import (
	"fmt"
	"os"
	"strconv"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/influxdb3"
	"github.com/weirstreams/weir/stream"
)

type reading struct {
	Sensor   string  `json:"sensor"`
	Degrees  float64 `json:"degrees"`
	Messages int     `json:"messages"`
}

func Example() {
	readings := stream.NewTopic("readings", codec.String(), codec.JSON[reading]())
	influx := influxdb3.New("https://influx.example.com:8181", influxdb3.Options[string, reading]{
		Database:    "plant",
		Measurement: "readings",
		Tags:        []string{"sensor"},
		Auth:        influxdb3.Bearer(secret.New(os.Getenv("INFLUX_TOKEN"))),
		Gzip:        true,
	})
	t := stream.NewTopology()
	t.From(readings).Sink("influx", influx)
	fmt.Println(influx, t.Validate())
	// Output: database plant at https://influx.example.com:8181 <nil>
}

// numberPoint makes the whole point of a record.
func numberPoint(r *weir.Record[string, number]) (influxdb3.Point, error) {
	return influxdb3.Point{
		Measurement: "numbers", Tags: map[string]string{"key": r.Key, "number": strconv.Itoa(int(r.Value))}, Fields: row.New(row.F("n", int(r.Value))),
	}, nil
}

// A function makes the points, with the measurement, tags and fields that it likes.
func ExamplePoint() {
	numbers := stream.NewTopic("numbers", codec.String(), codec.JSON[number]())
	t := stream.NewTopology()
	t.From(numbers).Sink("influx", influxdb3.New("https://influx.example.com:8181", influxdb3.Options[string, number]{Database: "plant", Point: numberPoint}))
	fmt.Println(t.Validate())
	// Output: <nil>
}
