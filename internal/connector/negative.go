package connector

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/weirstreams/weir"
)

// Negative returns an error that names the numbers of a struct of options that are negative, or nil if there are none. Numbers are the fields
// of type int, int64, float64 and time.Duration, and the waits of a weir.Retry, but for those in but, whose negative values have a meaning.
func Negative(options any, but ...string) error {
	var found []error
	v := reflect.Indirect(reflect.ValueOf(options))
	for field, value := range v.Fields() {
		if !field.IsExported() || slices.Contains(but, field.Name) {
			continue
		}
		switch number := value.Interface().(type) {
		case int, int64, time.Duration:
			if value.Int() < 0 {
				found = append(found, fmt.Errorf("%s is %v, and must not be negative", field.Name, number))
			}
		case weir.Retry:
			if number.FirstWait < 0 || number.MaxWait < 0 {
				found = append(found, fmt.Errorf("%s waits %v, and %v at most, which must not be negative", field.Name, number.FirstWait, number.MaxWait))
			}
		case float64:
			if !(number >= 0) { // NaN is wrong too
				found = append(found, fmt.Errorf("%s is %v, and must not be negative", field.Name, number))
			}
		}
	}
	return errors.Join(found...)
}
