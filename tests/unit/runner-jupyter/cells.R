# SPDX-License-Identifier: LGPL-2.1-or-later
# Cells of test_same_as_irkernel.py, one after each line of dashes.
#---
1:50
#---
x <- data.frame(a = 1:3, b = letters[1:3]); x
#---
print(x); print(as.data.frame(matrix(1:60, 2, 30)))
#---
as.data.frame(matrix(1:60, 2, 30))
#---
as.data.frame(matrix(1:400, 200, 2))
#---
options(repr.matrix.max.cols = 40, width = 200); as.data.frame(matrix(1:60, 2, 30))
#---
options(repr.matrix.max.cols = 20, width = 80); list(a = 1, b = "x", c = list(2))
#---
"ü€ 😀"; 'a\tb"'; cat("ü€ 😀\n")
#---
invisible(5); y <- 6; NULL; TRUE; NA; c(a = 1, b = 2); factor(c("a", "b")); 1i; as.Date(0)
#---
matrix(1:4, 2); array(1:8, c(2, 2, 2)); numeric(0); data.frame(); table(c(1, 1, 2))
#---
function(x) x + 1
#---
f <- function() { warning("w"); message("m"); 7 }; f()
#---
stop("boom")
#---
g <- function() stop("inner"); g()
#---
library(nosuchpackage)
#---
require(nosuchpackage)
#---
stopifnot(1 == 2)
#---
nosuchvariable
#---
1 +
#---
x[[
#---
tryCatch(stop("a"), error = function(e) conditionMessage(e), finally = cat("fin\n"))
#---
for (i in 1:3) print(i); if (TRUE) "value"
#---
"first"; cat("between\n"); "last"
#---
plot(1:3)
#---
options(repr.plot.width = 4, repr.plot.height = 3); plot(1:3); hist(c(1, 2, 2)); "after"
#---
par(mfrow = c(1, 2)); plot(1); plot(2)
#---
png("own.png"); plot(1); invisible(dev.off()); file.exists("own.png")
#---
options(jupyter.plot_mimetypes = "image/svg+xml"); plot(1:3)
#---
options(jupyter.plot_mimetypes = c("text/plain", "image/png")); summary(c(1, 2, 3))
#---
View(x)
#---
set.seed(1); rnorm(2); suppressWarnings(as.integer("a")); as.integer("b")
#---
head(mtcars, 3); str(x); summary(lm(mpg ~ wt, mtcars))$r.squared
#---
IRdisplay::display_html("<b>bold</b>"); IRdisplay::display_markdown("*it*")
#---
menu(c("a", "b"))
#---
print(quote(a + b)); format(Sys.Date(), "%Y") > "2000"; sprintf("%05.1f", pi); seq(0, 1, .25)
#---
ls(); rm(f); exists("f")
