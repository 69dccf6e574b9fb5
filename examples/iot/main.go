// Command iot reads temperatures of sensors in Avro, looks up the site of each sensor in an SQLite database, and writes the mean of each
// site and minute, in Avro too. A sensor that the database does not know goes to a topic of its own.
//
//	go run ./examples/iot
package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/avro"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/join/sqlite"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// Reading is a temperature. The key of its record is the sensor.
type Reading struct {
	Celsius float64 `avro:"celsius"`
}

const readingSchema = `{"type": "record", "name": "Reading", "fields": [{"name": "celsius", "type": "double"}]}`

// Sensor is a row of the database. Offset is added to what the sensor reads.
type Sensor struct {
	Site   string  `db:"site"`
	Offset float64 `db:"offset"`
}

// Calibrated is a reading with the site of its sensor, which is empty if the database has none.
type Calibrated struct {
	Site    string  `json:"site"`
	Celsius float64 `json:"celsius"`
}

// Mean is the mean temperature of a site in a minute.
type Mean struct {
	Minute  int64   `avro:"minute"` // Unix seconds of its begin
	Celsius float64 `avro:"celsius"`
}

const meanSchema = `{"type": "record", "name": "Mean", "fields": [
	{"name": "minute", "type": "long"}, {"name": "celsius", "type": "double"}]}`

// plant has the topics, whose codecs are made of schemas.
type plant struct {
	readings stream.Topic[string, Reading]
	means    stream.Topic[string, Mean]
	unknown  stream.Topic[string, float64]
}

func newPlant() (plant, error) {
	reading, readingErr := avro.Typed[Reading](readingSchema)
	mean, meanErr := avro.Typed[Mean](meanSchema)
	if err := errors.Join(readingErr, meanErr); err != nil {
		return plant{}, err
	}
	return plant{
		stream.NewTopic("readings", codec.String(), reading),
		stream.NewTopic("means", codec.String(), mean),
		stream.NewTopic("unknown-sensors", codec.String(), codec.JSON[float64]()),
	}, nil
}

// topology asks the database for the sensors of many records at once, and keeps 10,000 of them in memory for a minute.
func (p plant) topology(sensors join.Lookup[string, Sensor], kept *stream.Collector[string, Mean]) *stream.Topology {
	t := stream.NewTopology()
	calibrated := t.From(p.readings).LeftJoinLookupRecord(
		join.Cached(sensors, join.CacheConfig{Size: 10_000, TTL: time.Minute}),
		func(_ context.Context, r weir.Record[string, Reading]) (string, error) { return r.Key, nil },
		func(_ context.Context, r weir.Record[string, Reading], s *Sensor) (Calibrated, error) {
			if s == nil {
				return Calibrated{Celsius: r.Value.Celsius}, nil
			}
			return Calibrated{s.Site, r.Value.Celsius + s.Offset}, nil
		})

	calibrated.Filter(func(c Calibrated) bool { return c.Site == "" }).
		Map(func(c Calibrated) float64 { return c.Celsius }).
		To(p.unknown)

	calibrated.Filter(func(c Calibrated) bool { return c.Site != "" }).
		GroupBy("site", func(c Calibrated) string { return c.Site }).
		Window(window.Tumbling(time.Minute).Grace(5 * time.Second)).
		Aggregate(window.Mean(func(c Calibrated) float64 { return c.Celsius })).
		Final().
		Map(func(w window.Result[float64]) Mean { return Mean{w.Start().Unix(), w.Value} }).
		Collect(kept).
		To(p.means)
	return t
}

// database makes the file with the sensors. A real one is written by somebody else.
func database(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `CREATE TABLE sensors (name TEXT PRIMARY KEY, site TEXT NOT NULL, "offset" REAL NOT NULL);
		INSERT INTO sensors VALUES ('s1', 'oven', 0.5), ('s2', 'oven', -0.5), ('s3', 'hall', 0)`)
	return errors.Join(err, db.Close())
}

func program(ctx context.Context, out io.Writer, config runtime.Config) (err error) {
	dir, err := os.MkdirTemp("", "iot-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "plant.db")
	if err := database(ctx, file); err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, file, sqlite.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	sensors, err := sqlite.First[string, Sensor](ctx, db, sqlite.Table{Name: "sensors", On: "name"})
	if err != nil {
		return err
	}

	var kept stream.Collector[string, Mean]
	p, err := newPlant()
	if err != nil {
		return err
	}
	config.IdleTimeout = time.Second // closes the last minute, although no reading comes after it
	app, err := runtime.New(p.topology(sensors, &kept), config)
	if err != nil {
		return err
	}
	first := time.Now().Add(-time.Hour).Truncate(time.Minute)
	read := func(second int, sensor string, celsius float64) weir.Record[string, Reading] {
		return weir.Record[string, Reading]{Key: sensor, Value: Reading{celsius}, Millis: first.Add(time.Duration(second) * time.Second).UnixMilli()}
	}
	if err := local.Feed(ctx, app, p.readings,
		read(1, "s1", 200), read(2, "s2", 204), read(3, "s3", 19), read(20, "s9", 7), read(61, "s1", 210), read(65, "s3", 21)); err != nil {
		return err
	}
	if err := app.RunUntil(ctx, runtime.Until{Outputs: 5}); err != nil { // four means, and an unknown sensor
		return err
	}
	means := kept.Records()
	slices.SortFunc(means, func(a, b weir.Record[string, Mean]) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value.Minute, b.Value.Minute))
	})
	for _, m := range means {
		fmt.Fprintf(out, "%s: %.1f degrees in minute %d\n", m.Key, m.Value.Celsius, (m.Value.Minute-first.Unix())/60)
	}
	return nil
}

func main() { local.Main("iot", program) }
