package main

import (
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
)

func TestEachVisitHasItsCountryInTheOrderOfTheRecords(t *testing.T) {
	localtest.Expect(t, "enrichment", program, want)
}

const want = `/page/0 Utopia
/page/1 Utopia
/page/2 Atlantis
/page/3 Atlantis
/page/4 Utopia
/page/5 Utopia
/page/6 Atlantis
/page/7 Atlantis
/page/8 Utopia
/page/9 Utopia
/page/10 Atlantis
/page/11 Atlantis
the service was busy 1 time and broken 1 time
`

func TestThePictureOfTheDocumentation(t *testing.T) {
	localtest.Picture(t, "enrichment", topology(geo{}, nil))
}
