(* A function on R^d, d >= 3, that takes its minimum on rays that leave orthogonally is constant off 0.

   F is any function, not assumed continuous. For some q, c > 0, for all alpha > 0 and all w, v with |w| = alpha q,
   |v| = alpha c and <w, v> = 0:   F(w) = F(w + v) = min over beta >= 0 of F(w + beta v).
   Then F w = F x for all w, x other than 0. (Vardi and Shamir, Lemma 6.)

   The radial step: two points of one sphere that are close enough share a point m = w + v = x + v' with v, v'
   orthogonal to w, x and of the right length, so F w = F m = F x; m needs a direction orthogonal to both, hence d >= 3.
   Halving the angle brings any two points of a sphere to close ones; F is nondecreasing in the length, and equal on the
   spheres of radius r (1 + c^2/q^2)^(m/2), hence on all. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import reals.
From mathcomp Require Import ring.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Vectors.
Variables (R : realType) (d : nat).
Implicit Types (u v w x y : 'rV[R]_d) (a b : R).

Definition dot u v : R := \sum_i u 0 i * v 0 i.
Definition norm u : R := Num.sqrt (dot u u).

Lemma dotC u v : dot u v = dot v u.
Proof. by apply: eq_bigr => i _; rewrite mulrC. Qed.
Lemma dotDl u v w : dot (u + v) w = dot u w + dot v w.
Proof. by rewrite /dot -big_split; apply: eq_bigr => i _; rewrite mxE mulrDl. Qed.
Lemma dotZl a u v : dot (a *: u) v = a * dot u v.
Proof. by rewrite /dot mulr_sumr; apply: eq_bigr => i _; rewrite mxE mulrA. Qed.
Lemma dotDr u v w : dot w (u + v) = dot w u + dot w v.
Proof. by rewrite !(dotC w) dotDl. Qed.
Lemma dotZr a u v : dot u (a *: v) = a * dot u v.
Proof. by rewrite !(dotC u) dotZl. Qed.
Lemma dotNl u v : dot (- u) v = - dot u v.
Proof. by rewrite -scaleN1r dotZl mulN1r. Qed.
Lemma dotNr u v : dot v (- u) = - dot v u.
Proof. by rewrite !(dotC v) dotNl. Qed.
Lemma dot_ge0 u : 0 <= dot u u.
Proof. by apply: sumr_ge0 => i _; rewrite -expr2 sqr_ge0. Qed.
Lemma dot_eq0 u : (dot u u == 0) = (u == 0).
Proof.
apply/eqP/eqP => [uu|->]; last by rewrite /dot big1 // => i _; rewrite mxE mul0r.
apply/rowP => i; rewrite mxE; apply/eqP.
have pos j : true -> 0 <= u 0 j * u 0 j by rewrite -expr2 sqr_ge0.
by rewrite -sqrf_eq0 expr2 (psumr_eq0P pos uu).
Qed.
Lemma dot_gt0 u : (0 < dot u u) = (u != 0).
Proof. by rewrite lt_neqAle dot_ge0 andbT eq_sym dot_eq0. Qed.
Lemma normE u a : 0 <= a -> (norm u = a) <-> (dot u u = a ^+ 2).
Proof.
move=> a0; rewrite /norm; split=> [<-|->]; first by rewrite sqr_sqrtr // dot_ge0.
by rewrite sqrtr_sqr ger0_norm.
Qed.
Lemma norm_ge0 u : 0 <= norm u. Proof. exact: sqrtr_ge0. Qed.
Lemma sqr_norm u : norm u ^+ 2 = dot u u. Proof. by rewrite sqr_sqrtr // dot_ge0. Qed.

(* In dimension at least three some vector of any length is orthogonal to two given ones. *)
Lemma orthogonal_to_two u v a : (3 <= d)%N -> 0 <= a ->
  exists e, [/\ dot u e = 0, dot v e = 0 & dot e e = a].
Proof.
move=> d3 a0.
pose M : 'M[R]_(d, 2) := \matrix_(i, j) (if j == 0 then u 0 i else v 0 i).
have : kermx M != 0.
  rewrite -mxrank_eq0 mxrank_ker subn_eq0 -ltnNge.
  exact: leq_ltn_trans (rank_leq_col M) d3.
move=> /rowV0Pn[e eM e0].
have {}eM : e *m M = 0 by apply/eqP; rewrite -sub_kermx.
have eu : dot u e = 0.
  have /rowP/(_ 0) := eM; rewrite !mxE => <-; apply: eq_bigr => i _.
  by rewrite mxE eqxx mulrC.
have ev : dot v e = 0.
  have /rowP/(_ 1) := eM; rewrite !mxE => <-; apply: eq_bigr => i _.
  by rewrite mxE mulrC.
have ee : 0 < dot e e by rewrite dot_gt0.
exists (Num.sqrt (a / dot e e) *: e).
rewrite !dotZr !dotZl eu ev !mulr0 mulrA -expr2 sqr_sqrtr; last by rewrite divr_ge0 // ltW.
by split=> //; rewrite divfK // gt_eqF.
Qed.

(* The hypothesis of Lemma 6. *)
Definition minimal_on_orthogonal_rays (q c : R) (F : 'rV[R]_d -> R) := forall alpha w v,
  0 < alpha -> norm w = alpha * q -> norm v = alpha * c -> dot w v = 0 ->
  F w = F (w + v) /\ forall beta, 0 <= beta -> F w <= F (w + beta *: v).

End Vectors.

Section Lemma6.
Variables (R : realType) (d : nat) (q c : R) (F : 'rV[R]_d -> R).
Hypothesis (d3 : (3 <= d)%N) (q0 : 0 < q) (c0 : 0 < c) (local_min : minimal_on_orthogonal_rays q c F).
Let k := (c / q) ^+ 2.
Let k0 : 0 < k. Proof. by rewrite exprn_gt0 // divr_gt0. Qed.

(* The hypothesis, with lengths squared. *)
Lemma step w v : w != 0 -> dot v v = k * dot w w -> dot w v = 0 ->
  F w = F (w + v) /\ forall beta, 0 <= beta -> F w <= F (w + beta *: v).
Proof.
move=> w0 vv wv; have w1 : 0 < norm w by rewrite sqrtr_gt0 dot_gt0.
apply: (local_min (alpha := norm w / q)) => //; first by rewrite divr_gt0.
- by rewrite divfK // gt_eqF.
- apply/normE; first by rewrite mulr_ge0 ?divr_ge0 ?norm_ge0 // ltW.
  rewrite vv -sqr_norm /k !exprMn exprVn; ring.
Qed.

Lemma near_on_sphere w x : w != 0 -> dot x x = dot w w ->
  dot w w - dot w x <= k * (dot w w + dot w x) -> 0 < dot w w + dot w x -> F w = F x.
Proof.
move=> w0 xx close pos.
pose rr := dot w w; pose p := dot w x; pose a := rr / (rr + p).
have rr0 : 0 < rr by rewrite dot_gt0.
have len : 0 <= k * rr - rr * (rr - p) / (rr + p).
  rewrite subr_ge0 ler_pdivr_mulr // (mulrC k) -mulrA ler_wpmul2l //; exact: ltW.

have [e [we xe ee]] := orthogonal_to_two w x d3 len.
have [m mE] : exists m, m = a *: (w + x) + e by exists (a *: (w + x) + e).
have ne : rr + p != 0 by rewrite gt_eqF.
have main y : y != 0 -> dot y y = rr -> dot y (w + x) = rr + p -> dot y e = 0 -> F y = F m.
  move=> y0 yy ys ye; rewrite -(subrK y m) addrC.
  apply: (step y0 _ _).1.
  - have ym : dot y m = rr by rewrite mE dotDr dotZr ys ye addr0 /a divfK.
    have mm : dot m m = a * (2 * rr) + (k * rr - rr * (rr - p) / (rr + p)).
      have se : dot (w + x) e = 0 by rewrite dotDl we xe addr0.
      rewrite mE !(dotDl (a *: _)) !(dotDr (a *: _)) !(dotZl, dotZr) (dotC e) se ee !mulr0 addr0 add0r.
      rewrite (dotDl w) !dotDr xx (dotC x w) -/rr -/p /a; field.
      exact: ne.
    rewrite dotDl !dotDr !dotNl !dotNr (dotC m) ym mm yy opprK /a; field.
    exact: ne.
  - by rewrite dotDr dotNr mE dotDr dotZr ys ye yy addr0 /a divfK // subrr.
have x0 : x != 0 by rewrite -dot_gt0 xx.
rewrite (main w) // ?(main x) // ?dotDr ?xx //.
by rewrite (dotC x w) addrC.
Qed.
Let kappa := k / (1 + k).
Let k1 : 0 < 1 + k. Proof. exact: addr_gt0 ltr01 k0. Qed.
Let kappa0 : 0 < kappa. Proof. exact: divr_gt0 k0 k1. Qed.

Lemma halving n : forall w x, w != 0 -> dot x x = dot w w ->
  dot w w - dot w x <= 2 ^+ n * (kappa * dot w w) -> F w = F x.
Proof.
elim: n => [|n IH] w x w0 xx; have rr0 : 0 < dot w w by rewrite dot_gt0.
  rewrite mul1r => close.
  have small : kappa * dot w w <= dot w w.
    rewrite -[leRHS]mul1r ler_wpmul2r ?(ltW rr0) // ler_pdivr_mulr // mul1r.
    by rewrite ler_addr ler01.
  have p0 : 0 <= dot w x.
    by move: (le_trans close small); rewrite ler_subl_addr ler_addl.
  apply: near_on_sphere => //; last by rewrite ltr_paddr.
  apply: (le_trans close); apply: (@le_trans _ _ (k * dot w w)); last by rewrite ler_wpmul2l ?ler_addl // ltW.
  rewrite ler_wpmul2r ?(ltW rr0) // ler_pdivr_mulr // mulrDr mulr1 ler_addl.
  by rewrite mulr_ge0 // ltW.
rewrite exprS -mulrA -ler_pdivr_mull ?ltr0n // => close.
have x0 : x != 0 by rewrite -dot_gt0 xx.
case: (lerP (dot w w + dot w x) 0) => [neg|pos].
  have [e [we xe ee]] := orthogonal_to_two w x d3 (ltW rr0).
  have far : dot w w <= 2 ^+ n * (kappa * dot w w).
    apply: le_trans close; rewrite ler_pdivl_mull ?ltr0n // mulr_natl mulr2n ler_add2l.
    by rewrite -subr_ge0 -opprD oppr_ge0 addrC.
  rewrite (IH w e) ?(IH x e) ?ee ?xx ?we ?xe ?subr0 //.
pose mu := Num.sqrt (dot w w / (2 * (dot w w + dot w x))).
have sq : mu ^+ 2 = dot w w / (2 * (dot w w + dot w x)).
  by rewrite sqr_sqrtr // divr_ge0 ?mulr_ge0 ?ler0n // ltW.
have wx : dot w x <= dot w w.
  have := dot_ge0 (w - x); rewrite dotDl !dotDr !(dotNl, dotNr) opprK xx (dotC x) => ge0.
  move: (dot w x) (dot w w) ge0 => p rr; rewrite (_ : _ + _ + _ = 2 * (rr - p)); last by ring.
  by rewrite pmulr_rge0 ?ltr0n // subr_ge0.
have half : 2^-1 <= mu.
  rewrite -(@ler_pexpn2r _ 2) ?nnegrE ?sqrtr_ge0 ?invr_ge0 ?ler0n // sq.
  rewrite ler_pdivl_mulr ?mulr_gt0 ?ltr0n //.
  have -> : (2^-1 : R) ^+ 2 * (2 * (dot w w + dot w x)) = (dot w w + dot w x) / 2 by field.
  by rewrite ler_pdivr_mulr ?ltr0n // mulr_natr mulr2n ler_add2l.
pose m := mu *: (w + x).
have mm : dot m m = dot w w.
  rewrite /m dotZl dotZr mulrA -expr2 sq dotDl !dotDr xx (dotC x w).
  by field; rewrite gt_eqF.
have main y : y != 0 -> dot y y = dot w w -> dot y (w + x) = dot w w + dot w x -> F y = F m.
  move=> y0 yy ys; apply: IH; rewrite // ?yy //; apply: le_trans close.
  rewrite /m dotZr ys ler_pdivl_mull ?ltr0n // -subr_ge0.
  rewrite (_ : _ - _ = (mu - 2^-1) * (2 * (dot w w + dot w x))); last by field.
  by rewrite mulr_ge0 ?subr_ge0 // mulr_ge0 ?ler0n // ltW.
by rewrite (main w) // ?(main x) // ?dotDr ?xx // (dotC x w) addrC.
Qed.

Lemma on_sphere w x : w != 0 -> dot x x = dot w w -> F w = F x.
Proof.
move=> w0 xx; have rr0 : 0 < dot w w by rewrite dot_gt0.
pose n := Num.bound (2 / kappa).
apply: (@halving n) => //; rewrite mulrA.
have large : 2 <= 2 ^+ n * kappa by rewrite -ler_pdivr_mulr // ltW // upper_nthrootP.
apply: (@le_trans _ _ (2 * dot w w)); last by rewrite ler_wpmul2r // ltW.
rewrite mulr_natl mulr2n ler_add2l -subr_ge0 opprK.
have := dot_ge0 (w + x); rewrite dotDl !dotDr xx (dotC x).
move: (dot w x) (dot w w) => p rr; rewrite (_ : _ + _ + _ = 2 * (rr + p)); last by ring.
by rewrite pmulr_rge0 ?ltr0n // addrC.
Qed.

Lemma increasing w x : w != 0 -> dot w w <= dot x x -> F w <= F x.
Proof.
move=> w0 wx; have rr0 : 0 < dot w w by rewrite dot_gt0.
have [v [wv _ vv]] := orthogonal_to_two w w d3 (mulr_ge0 (ltW k0) (ltW rr0)).
have [_ /(_ (Num.sqrt ((dot x x - dot w w) / (k * dot w w))) (sqrtr_ge0 _))] := step w0 vv wv.
move=> /le_trans; apply; rewrite le_eqVlt; apply/orP; left; apply/eqP.
apply/esym/on_sphere; first by rewrite -dot_gt0 (lt_le_trans rr0).
rewrite dotDl !dotDr !dotZl !dotZr (dotC v) wv !mulr0 addr0 add0r mulrA -expr2 sqr_sqrtr; last first.
  by rewrite divr_ge0 ?subr_ge0 // mulr_ge0 ?(ltW k0) ?(ltW rr0).
rewrite vv divfK; last by rewrite mulf_neq0 // gt_eqF.
by rewrite addrC subrK.
Qed.

Lemma growth n : forall w x, w != 0 -> dot x x = (1 + k) ^+ n * dot w w -> F w = F x.
Proof.
elim: n => [|n IH] w x w0 xx; first by apply: on_sphere => //; rewrite xx mul1r.
have rr0 : 0 < dot w w by rewrite dot_gt0.
have [v [wv _ vv]] := orthogonal_to_two w w d3 (mulr_ge0 (ltW k0) (ltW rr0)).
have [-> _] := step w0 vv wv.
have yy : dot (w + v) (w + v) = (1 + k) * dot w w.
  by rewrite dotDl !dotDr (dotC v) wv vv addr0 add0r mulrDl mul1r.
apply: IH; last by rewrite yy mulrA -exprSr.
by rewrite -dot_gt0 yy mulr_gt0.
Qed.

Lemma bernoulli n : 1 + n%:R * k <= (1 + k) ^+ n.
Proof.
elim: n => [|n IH]; first by rewrite mul0r addr0.
rewrite exprS; apply: le_trans (ler_wpmul2l _ IH); last exact: ltW.
have -> : (1 + k) * (1 + n%:R * k) = 1 + n.+1%:R * k + n%:R * k ^+ 2 by rewrite mulrSr; ring.
by rewrite ler_addl mulr_ge0 ?sqr_ge0 ?ler0n.
Qed.

Theorem constant_off_zero w x : w != 0 -> x != 0 -> F w = F x.
Proof.
wlog wx : w x / dot w w <= dot x x => [main|] w0 x0.
  by case: (lerP (dot w w) (dot x x)) => [wx|/ltW wx]; [exact: main|exact/esym/main].
have rr0 : 0 < dot w w by rewrite dot_gt0.
have xx0 : 0 < dot x x by rewrite dot_gt0.
pose n := Num.bound (dot x x / dot w w / k).
have large : dot x x <= (1 + k) ^+ n * dot w w.
  rewrite -ler_pdivr_mulr //; apply: le_trans (bernoulli n).
  rewrite -[leLHS]add0r ler_add ?ler01 // -ler_pdivr_mulr // ltW // archi_boundP //.
  by rewrite !divr_ge0 // ltW.
have yy : dot (Num.sqrt ((1 + k) ^+ n) *: w) (Num.sqrt ((1 + k) ^+ n) *: w) = (1 + k) ^+ n * dot w w.
  by rewrite dotZl dotZr mulrA -expr2 sqr_sqrtr // exprn_ge0 // ltW.
apply/eqP; rewrite eq_le increasing //= (growth w0 yy); apply: increasing => //.
by rewrite yy.
Qed.
End Lemma6.

Print Assumptions constant_off_zero.
