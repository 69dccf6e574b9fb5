// Command solarfarm enriches the reports of solar panels with the weather forecast that held at that time, and says which
// farms yield less than their weather promises.
//
//	go run ./examples/solarfarm
package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// Report is the report of a panel.
type Report struct {
	Panel string  `json:"panel"`
	Watts float64 `json:"watts"`
}

// Forecast is the weather of a farm from the time of its record on.
type Forecast struct {
	// Irradiance is in watts per square metre.
	Irradiance  float64 `json:"irradiance"`
	Temperature float64 `json:"temperature"`
}

// Enriched is a report with its weather.
type Enriched struct {
	Report
	Forecast
	// Yield is the power of a square metre of the panel as a part of the irradiance.
	Yield float64 `json:"yield"`
}

// The keys of both topics are farms.
var (
	reports   = stream.NewTopic("reports", codec.String(), codec.JSON[Report]())
	forecasts = stream.NewTopic("forecasts", codec.String(), codec.JSON[Forecast]())
	enriched  = stream.NewTopic("enriched", codec.String(), codec.JSON[Enriched]())
)

const (
	// squareMetres is the size of a panel.
	squareMetres = 2
	// poor is the yield below which something is wrong with a panel: dirt, mostly.
	poor = 0.15
)

// topology joins each report with the latest forecast that is not later. A forecast is of no use after a day.
func topology(kept *stream.Collector[string, Enriched]) *stream.Topology {
	t := stream.NewTopology()
	weather := t.From(forecasts)
	t.From(reports).
		JoinAsOf(weather, join.AsOf{}.Grace(24*time.Hour).Tolerance(24*time.Hour), func(r Report, f Forecast) Enriched {
			return Enriched{r, f, r.Watts / squareMetres / f.Irradiance}
		}).
		Collect(kept).
		To(enriched)
	return t
}

// morning returns six hours of two farms: forecasts every three hours, reports every hour.
func morning(start time.Time) (weather []weir.Record[string, Forecast], power []weir.Record[string, Report]) {
	for hour := range 6 {
		at := start.Add(time.Duration(hour) * time.Hour).UnixMilli()
		for _, farm := range []string{"north", "south"} {
			sun := 300.0 + 200*float64(hour/3)
			if hour%3 == 0 {
				weather = append(weather, weir.Record[string, Forecast]{Key: farm, Value: Forecast{sun, 18}, Millis: at})
			}
			yield := 0.2
			if farm == "south" && hour >= 4 {
				yield = 0.1 // a dust storm that nobody has forecast
			}
			report := Report{"panel 1", sun * squareMetres * yield}
			power = append(power, weir.Record[string, Report]{Key: farm, Value: report, Millis: at + time.Minute.Milliseconds()})
		}
	}
	return weather, power
}

func program(ctx context.Context, out io.Writer, config runtime.Config) error {
	var kept stream.Collector[string, Enriched]
	app, err := runtime.New(topology(&kept), config)
	if err != nil {
		return err
	}
	start := time.Now().Truncate(24 * time.Hour).Add(-24 * time.Hour)
	weather, power := morning(start)
	if err := local.Feed(ctx, app, forecasts, weather...); err != nil {
		return err
	}
	if err := local.Feed(ctx, app, reports, power...); err != nil {
		return err
	}
	if err := app.RunUntil(ctx, runtime.Until{Outputs: int64(len(power)), Idle: 5 * time.Second}); err != nil {
		return err
	}
	for _, r := range kept.Records() {
		if r.Value.Yield < poor {
			fmt.Fprintf(out, "%s, %s, hour %.0f: %.0f W at %.0f W/m2 is a yield of %.0f %%\n", r.Key, r.Value.Panel,
				r.Time().Sub(start).Truncate(time.Hour).Hours(), r.Value.Watts, r.Value.Irradiance, 100*r.Value.Yield)
		}
	}
	fmt.Fprintf(out, "%d reports with their weather\n", len(kept.Records()))
	return nil
}

func main() { local.Main("solarfarm", program) }
