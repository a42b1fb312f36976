// The Go peer: a map behind Gin, every request counted and timed for Prometheus. No other features.
package main

import (
	"log"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

var answers = prometheus.NewCounterVec(
	prometheus.CounterOpts{Name: "http_requests_total"}, []string{"method", "route", "status"})
var seconds = prometheus.NewHistogramVec(
	prometheus.HistogramOpts{Name: "http_request_duration_seconds"}, []string{"method", "route"})

func count(c *gin.Context) {
	begun := time.Now()
	c.Next()
	answers.WithLabelValues(c.Request.Method, c.FullPath(), strconv.Itoa(c.Writer.Status())).Inc()
	seconds.WithLabelValues(c.Request.Method, c.FullPath()).Observe(time.Since(begun).Seconds())
}

// kept is the cache: what was asked before is found, what was not is put there.
type kept struct {
	lock     sync.RWMutex
	bySymbol map[string][]byte
}

func (k *kept) get(symbol string, body []byte) []byte {
	k.lock.RLock()
	found, ok := k.bySymbol[symbol]
	k.lock.RUnlock()
	if !ok {
		k.lock.Lock()
		k.bySymbol[symbol] = body
		k.lock.Unlock()
		found = body
	}
	return found
}

func main() {
	body, err := os.ReadFile(os.Getenv("BENCH_BODY"))
	if err != nil {
		log.Fatal(err)
	}
	prometheus.MustRegister(answers, seconds)
	cache := kept{bySymbol: map[string][]byte{}}
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New() // without the logger that gin.Default brings
	engine.Use(count)
	engine.GET("/v2/aggs/ticker/:symbol/prev", func(c *gin.Context) {
		c.Data(200, "application/json", cache.get(c.Param("symbol"), body))
	})
	engine.GET("/metrics", gin.WrapH(promhttp.Handler()))
	log.Fatal(engine.Run("127.0.0.1:" + os.Args[1]))
}
