package main

import (
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
)

func TestReportsAreJoinedWithTheForecastThatHeld(t *testing.T) {
	localtest.Expect(t, "solarfarm", program, want)
}

const want = `south, panel 1, hour 4: 100 W at 500 W/m2 is a yield of 10 %
south, panel 1, hour 5: 100 W at 500 W/m2 is a yield of 10 %
12 reports with their weather
`

func TestThePictureOfTheDocumentation(t *testing.T) { localtest.Picture(t, "solarfarm", topology(nil)) }
