# SPDX-License-Identifier: LGPL-2.1-or-later
#
# pip and matplotlib as they should be in a machine without a network, which nobody configures; and
# what a first import would otherwise do in each machine anew: compile modules, look for fonts.

packages=/usr/lib/python3/dist-packages

# An interpreter looks for this folder when it starts; pip makes it when it has something to put there.
[ "$IMAGE_USER" = root ] ||
    runuser -u "$IMAGE_USER" -- sh -c 'mkdir -p "$HOME/.local/bin" "$(python3 -m site --user-site)"'

# extend FILE MODULE FUNCTION: lets a module of Debian be changed by one of ours, where no setting does.
extend() {
    [ -e "$packages/$1" ]
    cat >>"$packages/$1" <<END

try:  # added by the recipe of this image
    from $2 import $3
except ImportError:
    pass
else:
    $3(globals())
END
}
extend pip/_internal/index/collector.py cloche_unreached install
extend matplotlib/font_manager.py cloche_glyphs install_in_texts
extend matplotlib/_mathtext.py cloche_glyphs install_in_formulas

# Unifont has a glyph for what no other font has. Two of its files are enough.
find /usr/share/fonts -type f -name 'unifont*' ! -name unifont.otf ! -name unifont_upper.otf -delete

python3 -m compileall -q -j 0 /usr/lib/python3.* "$packages"

# Also proves that all fonts are there: without a glyph there is a warning, which is an error here.
for user in root "$IMAGE_USER"; do
    runuser -u "$user" -- env HOME="$(getent passwd "$user" | cut -d: -f6)" MPLBACKEND=agg \
        python3 -W error::UserWarning -c '
import matplotlib.pyplot as plt, IPython
plt.title("Aa 周 か 한 😀 🟢 → ∑")
plt.xlabel("$x$ 周")
plt.gcf().canvas.draw()
IPython.paths.get_ipython_dir()'
done
